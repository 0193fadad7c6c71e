"""A recogniser on another machine: its server and the key for it."""

from __future__ import annotations

from pydantic import SecretStr

from .field import Group, Section, setting


class Remote(Section):
    openai_api_key: SecretStr | None = setting(
        Group.MODEL,
        None,
        "Key of OpenAI's API, for the backend openai-whisper; a server of your own may need none. "
        "A command line is visible to other users of the machine: better a variable.",
        variable="OPENAI_API_KEY",
    )
    openai_base_url: str = setting(
        Group.MODEL,
        "https://api.openai.com/v1",
        "The server that the backend openai-whisper sends what it hears to: any that speaks OpenAI's API.",
        min_length=1,
        variable="OPENAI_BASE_URL",
    )

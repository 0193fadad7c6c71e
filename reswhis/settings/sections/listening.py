"""Where the server listens, whom it lets in, and TLS."""

from __future__ import annotations

import re

from pydantic import SecretStr, field_validator

from .field import Group, Place, Port, Section, setting

ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*://[^\s/?#@,*]+)/?")


class Listening(Section):
    host: str = setting(
        Group.SERVER, "127.0.0.1", "Address to listen on; 0.0.0.0 is every network this machine is in.", min_length=1
    )
    port: Port = setting(Group.SERVER, 8000, "Port to listen on; 0 takes a free one.")
    api_key: tuple[SecretStr, ...] = setting(
        Group.SERVER,
        (),
        "Keys of which a client must show one. Several: repeat it, or separate by commas. "
        "A command line is visible to other users of the machine: better a variable or the file.",
    )
    allowed_origins: tuple[str, ...] = setting(
        Group.SERVER,
        (),
        "Origins whose web pages may connect, such as https://example.org, besides pages from this "
        "machine; * is any. Several: repeat it, or separate by commas.",
    )
    https: bool = setting(
        Group.SERVER,
        False,
        "Speak TLS with a certificate made for this machine, so that browsers elsewhere, as on a phone, "
        "let the page use the microphone.",
    )
    ssl_certfile: Place = setting(
        Group.SERVER, None, "Speak TLS with this certificate and those that vouch for it, in PEM form."
    )
    ssl_keyfile: Place = setting(
        Group.SERVER, None, "Private key of the certificate in PEM form, if it is not in the same file."
    )
    ssl_keyfile_password: SecretStr | None = setting(
        Group.SERVER,
        None,
        "Password of that key, if it has one. A command line is visible to other users of the machine: "
        "better the variable.",
    )

    @field_validator("api_key")
    @classmethod
    def _not_open_by_mistake(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        """A variable that was never filled must not take the lock off the door."""
        if not value or not all(key.get_secret_value().strip() for key in value):
            raise ValueError("must not be empty: leave it out to let everyone in")
        return value

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(_origin(origin) for origin in value)


def _origin(text: str) -> str:
    """As browsers send it: lower case, without a path."""
    if text in ("*", "null"):
        return text
    origin = ORIGIN.fullmatch(text.lower())
    if origin is None:
        raise ValueError("must be origins such as https://example.org or http://localhost:3000, or *")
    return origin[1]

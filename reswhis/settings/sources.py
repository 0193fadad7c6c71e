"""Gathers the settings from their sources: command line, then environment, then file, then defaults.

Keeps where each value came from, so that a refusal can say so. Parses no command line: the flags
come in as a mapping. Called by the command line and by ``reswhis.asgi``.
"""

from __future__ import annotations

import logging
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import Any

from pydantic import ValidationError

from reswhis.core.errors import ConfigurationError

from .catalogue import PREFIX, Setting, catalogue
from .declaration import Settings
from .names import nearest

logger = logging.getLogger(__name__)

CONFIG_VARIABLE = "RESWHIS_CONFIG"
KUBERNETES = re.compile(r"RESWHIS_(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP)(_(PROTO|PORT|ADDR))?)")
"""Set in every pod beside a service named reswhis, as is RESWHIS_PORT=tcp://…; nobody meant us."""
GETTEXT = re.compile(r"C|POSIX|.*[_:.@].*")
"""What ``LANGUAGE`` holds where it is gettext's, on many Linux desktops: ``en_US:en``. No language of ours looks so."""
RATE_VARIABLE, RATE = "SAMPLING_RATE", "16000"
BATCHED_VARIABLE, BATCHED = "USE_BATCHED_INFERENCE", "faster-whisper"
"""Of whisper_realtime_server. Either answer chose the same recogniser, and batches are no choice here."""
TRUTH_VALUES = {"0", "1", "f", "false", "n", "no", "off", "on", "t", "true", "y", "yes"}
SEE_HELP = "; reswhis --help lists all settings."


@dataclass(frozen=True, slots=True)
class _Given:
    value: object
    source: str


def from_sources(
    environ: Mapping[str, str], *, flags: Mapping[str, object] | None = None, file: str | None = None
) -> Settings:
    """The settings in force.

    ``flags`` is by the settings' names; ``file`` is what ``--config`` says, and wins over RESWHIS_CONFIG.

    Raises:
        ConfigurationError: a name is unknown, a value is not allowed, or the file cannot be read.
    """
    known = catalogue()
    path = file if file is not None else environ.get(CONFIG_VARIABLE, "").strip()
    given = _from_file(path, known) if path else {}
    given |= _from_former_environment(environ, known) | _from_environment(environ, known)
    given |= {name: _Given(value, " or ".join(known[name].flags)) for name, value in (flags or {}).items()}
    values: dict[str, Any] = {name: one.value for name, one in given.items()}
    try:
        return Settings(**values)
    except ValidationError as error:
        raise ConfigurationError(_refusal(error, given, known)) from None


def _from_environment(environ: Mapping[str, str], known: Mapping[str, Setting]) -> dict[str, _Given]:
    names = {setting.variable: setting for setting in known.values()}
    given = {}
    for variable, value in environ.items():
        if not variable.startswith(PREFIX) or variable == CONFIG_VARIABLE or _is_kubernetes(variable, value):
            continue
        if variable not in names:
            hint = nearest(variable, [*names, CONFIG_VARIABLE], SEE_HELP)
            raise ConfigurationError(f"unknown environment variable {variable}{hint}")
        setting = names[variable]
        if value.strip() or setting.is_secret:  # compose files fill what is not set with nothing
            given[setting.name] = _Given(value, f"variable {variable}")
    return given


def _from_former_environment(environ: Mapping[str, str], known: Mapping[str, Setting]) -> dict[str, _Given]:
    """The variables of reswhis 0.1 and whisper_realtime_server, whose names are anyone's."""
    rate = environ.get(RATE_VARIABLE, "").strip()
    if rate not in ("", RATE):
        raise ConfigurationError(
            f"{RATE_VARIABLE} (variable) must be {RATE}: each client says the rate of its audio, "
            "as in /ws/transcribe?sample_rate=48000."
        )
    given = {}
    batched = environ.get(BATCHED_VARIABLE, "").strip()
    if batched and batched.lower() not in TRUTH_VALUES:
        shown = _quoted(batched)
        raise ConfigurationError(f"backend (variable {BATCHED_VARIABLE}) must be true or false, not {shown}.")
    if batched:
        given["backend"] = _Given(BATCHED, f"variable {BATCHED_VARIABLE}")
    for setting in known.values():
        variable = setting.former_variable
        value = environ.get(variable, "").strip() if variable else ""
        if variable == "LANGUAGE" and GETTEXT.fullmatch(value):
            logger.warning("LANGUAGE=%s is gettext's and ignored: %s says what is spoken.", value, setting.variable)
        elif value:
            given[setting.name] = _Given(value, f"variable {variable}")
    return given


def _is_kubernetes(variable: str, value: str) -> bool:
    return KUBERNETES.fullmatch(variable) is not None or (variable == "RESWHIS_PORT" and value.startswith("tcp://"))


def _from_file(name: str, known: Mapping[str, Setting]) -> dict[str, _Given]:
    given = {}
    try:
        path = Path(name).expanduser()
    except RuntimeError:
        raise ConfigurationError(f"the configuration file {name} is in the home of nobody who is known here.") from None
    for key, value in _read_toml(path).items():
        if isinstance(value, dict):
            raise ConfigurationError(f"there is a table [{key}] in {path}, but keys stand at the top, not in tables.")
        name = key.replace("-", "_")
        if name not in known:
            hint = nearest(name, known, SEE_HELP)
            raise ConfigurationError(f"unknown key {key} in {path}{hint}")
        given[name] = _Given(value, f"file {path}")
    return given


def _read_toml(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))  # Windows editors write a byte order mark
    except OSError as error:
        raise ConfigurationError(f"cannot read the configuration file {path}: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise ConfigurationError(f"the configuration file {path} is not text in UTF-8.") from None
    except tomllib.TOMLDecodeError as error:  # its text ends with line and column
        raise ConfigurationError(f"the configuration file {path} is not valid TOML: {error}.") from None


def _refusal(error: ValidationError, given: Mapping[str, _Given], known: Mapping[str, Setting]) -> str:
    """One sentence about the first thing that is wrong."""
    first = error.errors(include_url=False)[0]
    context = first.get("ctx", {})
    if first["type"] == "clash":
        named = (_with_value(context[which], given, known) for which in ("name", "other"))
        return f" {context['relation']} ".join(named) + "."
    name = str(first["loc"][0])
    setting, value = known[name], given[name].value
    if first["type"] == "value_error":
        complaint = str(context["error"])
    else:
        shown = "" if setting.is_secret else f", not {_quoted(value)}"
        complaint = f"must be {setting.allowed}{shown}"
    return f"{name} ({given[name].source}) {complaint}."


def _with_value(name: str, given: Mapping[str, _Given], known: Mapping[str, Setting]) -> str:
    if name in given:
        return f"{name} ({given[name].value}, {given[name].source})"
    return f"{name} ({known[name].default}, default)"


def _quoted(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case str():
            return f'"{shorten(value, 60, placeholder="...")}"'
        case _:
            return str(value)

"""The settings as flags of a command, made from their declaration; and back from parsed flags to settings.

``serve`` has all of them, a command that decodes by itself those of some groups.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Collection, Mapping, Sequence

from reswhis import __version__
from reswhis.settings import Group, Settings, from_sources
from reswhis.settings.catalogue import Kind, Setting, catalogue

from .parser import Parser

METAVARS = {
    Kind.CHOICE: "NAME",
    Kind.WHOLE: "N",
    Kind.NUMBER: "X",
    Kind.PATH: "PATH",
    Kind.TEXT: "TEXT",
}
COMMON = {
    "host", "port", "api_key", "https", "model", "language", "task", "device", "minimum_chunk_size", "policy",
    "endpoint_ms", "max_sessions", "log_level", "log_file",
}  # fmt: skip
"""What ``--help`` shows; ``--help-all`` shows the others too."""
SERVE_EPILOG = (
    "Every setting is also an environment variable (RESWHIS_PORT is --port) and a key of the file that --config "
    "names (port = 9000). A flag wins over a variable, a variable over the file. In flags _ is as good as -.\n\n"
    "Exit codes: 0 stopped by a signal, after every session had finished; 2 a wrong setting, a port that is taken, "
    "or no model; 130, 143 ended by a second signal."
)


def load(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """The settings that ``reswhis serve`` runs with.

    Raises:
        ConfigurationError: a name is unknown, a value is not allowed, or the file cannot be read.
    """
    return settings_from(serve_parser().parse(argv), environ)


def serve_parser(prog: str = "reswhis", usage: str | None = None) -> Parser:
    parser = Parser(prog, usage=usage, epilog=SERVE_EPILOG)
    parser.add_argument("--version", action="version", version=f"reswhis {__version__}", help="say which this is")
    add_settings(parser)
    return parser


def add_settings(
    parser: Parser,
    groups: Collection[Group] = tuple(Group),
    *,
    common: Collection[str] = COMMON,
    only: Collection[str] | None = None,
) -> None:
    """Add the flags of these groups, and ``--config``; those in ``common`` are shown by ``--help``, too.

    In the namespace they have the settings' names: a command calls its own arguments otherwise.
    ``only``: no others than these, of a command that the others mean nothing to.
    """
    parser.add_argument("--config", metavar="FILE", help="TOML file of settings (RESWHIS_CONFIG)")
    for group in Group:
        if group in groups:
            section = parser.add_full_group(group)
            for setting in catalogue().values():
                if setting.group is group and (only is None or setting.name in only):
                    action = _add(section, setting)
                    if setting.name in common:
                        parser.show_briefly(action, _in_brief(setting))


def settings_from(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Settings:
    """The settings in force, from what a parser with :func:`add_settings` has parsed and the other sources.

    Raises:
        ConfigurationError: as :func:`load`.
    """
    parsed = vars(arguments)
    flags = {
        name: ",".join(parsed[name]) if setting.kind is Kind.LIST else parsed[name]
        for name, setting in catalogue().items()
        if name in parsed
    }
    return from_sources(environ, flags=flags, file=parsed["config"])


def _add(section: argparse._ArgumentGroup, setting: Setting) -> argparse.Action:
    span = f"{setting.span} {setting.unit}".strip()
    about = "; ".join(filter(None, (span, setting.default and f"default {setting.default}")))
    meaning = (f"{setting.meaning} [{about}]" if about else setting.meaning).replace("%", "%%")
    suppress = argparse.SUPPRESS  # only what was given wins over the other sources
    if setting.kind is Kind.SWITCH:
        action = argparse.BooleanOptionalAction
        return section.add_argument(*setting.flags, dest=setting.name, action=action, default=suppress, help=meaning)
    return section.add_argument(
        *setting.flags,
        dest=setting.name,
        action=_action(setting),
        nargs="+" if setting.is_spaced else None,
        metavar=METAVARS[setting.items],
        default=suppress,
        help=meaning,
    )


def _action(setting: Setting) -> str:
    if setting.is_spaced:
        return "extend"
    return "append" if setting.kind is Kind.LIST else "store"


def _in_brief(setting: Setting) -> str:
    """The first clause of what it means, its choices or its unit, and its default."""
    clause = re.split(r"[.;:](?= |$)", setting.meaning)[0]
    about = setting.span if setting.kind is Kind.CHOICE else setting.unit
    default = f"default {setting.default}" if setting.default and setting.kind is not Kind.SWITCH else ""
    more = "; ".join(filter(None, (about, default)))
    return f"{clause} [{more}]" if more else clause

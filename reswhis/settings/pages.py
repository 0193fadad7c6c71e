"""Writes the reference of all settings as Markdown, for ``docs/configuration.md``; a test compares the two."""

from __future__ import annotations

from collections.abc import Iterator

from .catalogue import Kind, Setting, catalogue
from .sections.field import Group


def reference() -> str:
    """A heading and a table per group."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    settings = catalogue().values()
    for group in Group:
        yield from (
            f"## {group}",
            "",
            "| flag | variable | unit | allowed | default | meaning |",
            "|---|---|---|---|---|---|",
        )
        yield from (_row(setting) for setting in settings if setting.group is group)
        yield ""


def _row(setting: Setting) -> str:
    off = [f"`--no-{flag.removeprefix('--')}`" for flag in setting.flags[:1] if setting.kind is Kind.SWITCH]
    cells = (
        ", ".join([*(f"`{flag}`" for flag in setting.flags), *off]),
        ", ".join(f"`{variable}`" for variable in setting.variables),
        setting.unit,
        setting.span,
        f"`{setting.default}`" if setting.default else "",
        setting.meaning,
    )
    return f"| {' | '.join(cells)} |"

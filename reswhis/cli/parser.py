"""A command's parser: refuses with one sentence that names the nearest right flag, and takes _ for - in flags.

Declares no flag. Used by every command.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from reswhis.core.errors import ConfigurationError
from reswhis.settings.names import nearest


class Parser(argparse.ArgumentParser):
    """Raises ConfigurationError where its base class prints its usage and ends the process."""

    def __init__(
        self, prog: str, *, usage: str | None = None, description: str | None = None, epilog: str | None = None
    ) -> None:
        super().__init__(
            prog,
            usage=usage,
            description=description,
            epilog=epilog,
            formatter_class=_Formatter,
            allow_abbrev=False,  # else a flag added later changes what an abbreviation means
        )

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        dashed = [_dashed(argument) for argument in argv]
        for argument in dashed:
            self._refuse_value_of_switch(argument)
        arguments, unknown = self.parse_known_args(dashed)
        flag = next((argument.partition("=")[0] for argument in unknown if argument.startswith("-")), None)
        if flag is not None:
            raise ConfigurationError(
                f"unknown flag {flag}{nearest(flag, self._option_string_actions, self._otherwise)}"
            )
        if unknown:
            self.error(f"unexpected argument {unknown[0]}")
        return arguments

    def format_help(self) -> str:
        """Without the wall of all flags at its top: they follow below, one by one."""
        if self.usage is None:
            operands = [str(action.metavar or action.dest) for action in self._actions if not action.option_strings]
            self.usage = " ".join([self.prog, "[options]", *operands])
        return super().format_help()

    def error(self, message: str) -> NoReturn:
        raise ConfigurationError(message.removeprefix("argument ") + self._otherwise)

    @property
    def _otherwise(self) -> str:
        return f"; {self.prog} --help says what there is."

    def _refuse_value_of_switch(self, argument: str) -> None:
        flag, equals, _ = argument.partition("=")
        action = self._option_string_actions.get(flag)
        if equals and isinstance(action, argparse.BooleanOptionalAction):
            name = flag.removeprefix("--no-").removeprefix("--")
            raise ConfigurationError(f"{flag} takes no value: write --{name} or --no-{name}.")


class _Formatter(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=36)

    def _format_action_invocation(self, action: argparse.Action) -> str:
        """A switch in one word, and the value's name once."""
        if isinstance(action, argparse.BooleanOptionalAction):
            return ", ".join(f"--[no-]{flag[2:]}" for flag in action.option_strings if not flag.startswith("--no-"))
        if not action.option_strings or action.nargs == 0:
            return super()._format_action_invocation(action)
        value = self._format_args(action, action.dest.upper())
        return f"{', '.join(action.option_strings)} {value}"


def _dashed(argument: str) -> str:
    """``--buffer_trimming_sec=9`` as ``--buffer-trimming-sec=9``."""
    if not argument.startswith("--"):
        return argument
    flag, equals, value = argument.partition("=")
    return flag.replace("_", "-") + equals + value

"""A command's parser: its help fits a screen, and it refuses with one sentence that names the nearest right flag.

Declares no flag but those of help; takes _ for - in flags. Used by every command.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterable, Sequence
from copy import copy
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
            add_help=False,
        )
        self._negative_number_matcher = re.compile(r"-\d[-\d.,]*$")  # a list of numbers may begin with a negative one
        self._brief: list[argparse.Action] = []
        self._in_full: set[argparse._ArgumentGroup] = set()
        self.add_argument("-h", "--help", action="help", help="say this")

    def add_full_group(self, title: str) -> argparse._ArgumentGroup:
        """One whose flags are in ``--help-all``, and in ``--help`` if :meth:`show_briefly` says so.

        With all of them in sight nobody would find the one that matters.
        """
        if not self._in_full:
            self.add_argument("--help-all", action=_HelpAll, help="say this, with every flag there is")
        group = self.add_argument_group(title)
        self._in_full.add(group)
        return group

    def show_briefly(self, action: argparse.Action, meaning: str) -> None:
        brief = copy(action)
        brief.option_strings = action.option_strings[:1]
        brief.help = meaning
        self._brief.append(brief)

    def parse(self, argv: Sequence[str]) -> argparse.Namespace:
        end = argv.index("--") if "--" in argv else len(argv)
        dashed = [_dashed(argument) for argument in argv[:end]]
        for argument in dashed:
            self._refuse_value_of_switch(argument)
        arguments, unknown = self.parse_known_args([*dashed, *argv[end:]])
        flag = next((argument.partition("=")[0] for argument in unknown if argument.startswith("-")), None)
        if flag is not None:
            raise ConfigurationError(f"unknown flag {flag}{nearest(flag, self.flags, self._otherwise)}")
        if unknown:
            self.error(f"unexpected argument {unknown[0]}")
        return arguments

    def format_help(self) -> str:
        return self._help([group for group in self._action_groups if group not in self._in_full], self._brief)

    def format_help_all(self) -> str:
        return self._help(self._action_groups, [])

    def _help(self, groups: Iterable[argparse._ArgumentGroup], brief: Iterable[argparse.Action]) -> str:
        """Without the wall of all flags that argparse puts at the top: they follow below, one by one."""
        operands = [str(action.metavar or action.dest) for action in self._actions if not action.option_strings]
        usage = self.usage or " ".join([self.prog, "[options]", *operands])
        formatter = self._get_formatter()
        formatter.add_usage(usage, [], [])
        formatter.add_text(self.description)
        for group in groups:
            formatter.start_section(group.title)
            formatter.add_text(group.description)
            formatter.add_arguments(group._group_actions)
            formatter.end_section()
        formatter.start_section("settings")
        formatter.add_arguments(brief)
        formatter.end_section()
        for paragraph in (self.epilog or "").split("\n\n"):
            formatter.add_text(paragraph)
        return formatter.format_help()

    def error(self, message: str) -> NoReturn:
        raise ConfigurationError(message.removeprefix("argument ") + self._otherwise)

    @property
    def below(self) -> list[Parser]:
        """The parsers of its own commands."""
        actions = [action for action in self._actions if isinstance(action, argparse._SubParsersAction)]
        return [parser for action in actions for parser in action.choices.values()]

    @property
    def flags(self) -> dict[str, argparse.Action]:
        """Its own, and those of the commands below it."""
        return {
            flag: action for parser in (self, *self.below) for flag, action in parser._option_string_actions.items()
        }

    @property
    def _otherwise(self) -> str:
        return f"; {self.prog} --help says what there is."

    def _refuse_value_of_switch(self, argument: str) -> None:
        flag, equals, _ = argument.partition("=")
        action = self.flags.get(flag)
        if equals and isinstance(action, argparse.BooleanOptionalAction):
            name = flag.removeprefix("--no-").removeprefix("--")
            raise ConfigurationError(f"{flag} takes no value: write --{name} or --no-{name}.")


class _HelpAll(argparse.Action):
    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, default=argparse.SUPPRESS, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> NoReturn:
        assert isinstance(parser, Parser)
        print(parser.format_help_all(), end="")
        parser.exit()


class _Formatter(argparse.HelpFormatter):
    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=28)

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

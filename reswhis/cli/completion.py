"""``reswhis completion SHELL``: completing commands, flags and values by the tabulator key.

The shell's script, which :mod:`argcomplete` writes, starts ``reswhis`` at each press with
variables that :func:`complete` knows; it then answers from the same parsers that read a command line.
"""

from __future__ import annotations

import argparse

import argcomplete
from argcomplete.completers import ChoicesCompleter
from argcomplete.shell_integration import shellcode

from reswhis.backends.model_formats import CTRANSLATE2
from reswhis.core.languages import LANGUAGES
from reswhis.settings.catalogue import Kind, catalogue

from .arguments import add_settings, serve_parser
from .parser import Parser
from .transcribe import FORMATS

SHELLS = ("bash", "zsh", "fish", "powershell")
BACKENDS = ("auto", "faster-whisper", "pocketsphinx")
MODELS = ("auto", "tiny", "base", "small", "medium", "large-v3", "large-v3-turbo")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("shell", choices=SHELLS, metavar="SHELL", help=", ".join(SHELLS))
    parser.epilog = (
        'In bash or zsh: eval "$(reswhis completion bash)", here or in ~/.bashrc. In fish: reswhis completion fish | '
        "source. In PowerShell: reswhis completion powershell | Out-String | Invoke-Expression. It works where the "
        "command reswhis itself is found, as in an activated environment; not behind uv run.\n\n"
        "Exit codes: 0 printed; 2 a shell that is not known."
    )


def run(arguments: argparse.Namespace) -> int:
    print(shellcode(["reswhis"], shell=arguments.shell))
    return 0


def complete() -> None:
    """Answer the shell, and end the process."""
    argcomplete.autocomplete(_whole(), always_complete_options=False)


def _whole() -> Parser:
    """All commands in one parser, as argcomplete wants it."""
    from . import doctor, listen, models, simulate, transcribe

    whole = serve_parser()
    commands = whole.add_subparsers(parser_class=Parser)
    add_settings(serve := commands.add_parser("serve"))
    parsers = [whole, serve]
    shown = {"listen": listen, "transcribe": transcribe, "simulate": simulate, "models": models, "doctor": doctor}
    for name, module in shown.items():
        module.add_arguments(parser := commands.add_parser(name))
        parsers += [parser, *parser.below]
    add_arguments(commands.add_parser("completion"))
    for parser in parsers:
        _offer_values(parser)
    return whole


def _offer_values(parser: Parser) -> None:
    values = {
        flag: setting.span.split(", ")
        for setting in catalogue().values()
        if setting.kind is Kind.CHOICE
        for flag in setting.flags
    }
    values |= {"--language": ["auto", *LANGUAGES], "--model": list(MODELS), "--backend": list(BACKENDS)}
    values |= {"--format": [*FORMATS, "all"], "NAME": list(CTRANSLATE2.sizes)}
    for action in parser._actions:
        named = action.option_strings or [str(action.metavar)]
        offered = [value for flag in named for value in values.get(flag, ())]
        if offered:
            action.completer = ChoicesCompleter(dict.fromkeys(offered, ""))  # type: ignore[attr-defined]  # where argcomplete looks

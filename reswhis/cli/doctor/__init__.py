"""``reswhis doctor``: says what of this machine helps or hinders a server, and what mends it. Called by the dispatcher.

A new check is a function in one of the modules here and a row in :data:`.checks.ROWS`.
"""

from __future__ import annotations

import argparse
import logging
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from reswhis.core.errors import ConfigurationError
from reswhis.settings import from_sources

from ..arguments import add_settings, settings_from
from ..process import FAILED

if TYPE_CHECKING:
    from ..parser import Parser
    from .finding import Case

SHOWN = {"host", "port", "https", "model", "device"}


def add_arguments(parser: Parser) -> None:
    parser.add_argument("--json", action="store_true", help="print all as JSON, for programs")
    add_settings(parser, common=SHOWN)
    parser.epilog = (
        "The settings are those of the server that is meant, from the same flags, variables and file. Changes nothing, "
        "loads no model, and asks the network for a few seconds at most. A line says ok, warning, problem, skipped "
        "(does not matter here) or unknown (could not be checked).\n\n"
        "Exit codes: 0 nothing keeps that server from starting; 1 a problem does; 2 a wrong command line; "
        "130 interrupted."
    )


def run(arguments: argparse.Namespace) -> int:
    """Return the exit code. Raises ConfigurationError if what is wrong is the command line."""
    from .checks import ROWS
    from .examination import findings
    from .report import as_json, show, starts

    case = case_from(arguments, os.environ)
    logging.basicConfig(handlers=[logging.NullHandler()])  # what libraries log on the way is for none to read
    if arguments.json:
        found = list(findings(ROWS, case))
        print(as_json(found))
    else:
        found = show(findings(ROWS, case))
    return 0 if starts(found) else FAILED


def case_from(arguments: argparse.Namespace, environ: Mapping[str, str]) -> Case:
    from .finding import Case

    try:
        return Case(settings_from(arguments, environ), "", environ)
    except ConfigurationError as error:
        flags_alone = argparse.Namespace(**{**vars(arguments), "config": None})
        settings_from(flags_alone, {})  # raises, if these are what is wrong
        return Case(from_sources({}), str(error), environ)

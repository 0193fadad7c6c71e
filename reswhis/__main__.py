"""The command ``reswhis``, also as ``python -m reswhis``."""

from __future__ import annotations

import sys


def main() -> int:
    """Return the exit code; 130 also where the user is quicker than the imports."""
    try:
        from reswhis.cli import main as run  # noqa: PLC0415  # half a second

        return run()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":  # worker processes import this module too
    sys.exit(main())

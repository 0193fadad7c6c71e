"""``python -m reswhis`` is the command ``reswhis``."""

import sys

from reswhis.cli import main

if __name__ == "__main__":  # worker processes import this module too
    sys.exit(main())

"""The client as a script: ``python clients/stream_client.py …`` is ``reswhis listen …``."""

import sys

from reswhis.cli import main

if __name__ == "__main__":
    sys.exit(main(["listen", *sys.argv[1:]]))

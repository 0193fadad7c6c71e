"""Makes protocol.schema.json and the tables of protocol.md from the models of the messages. From the repository's root:

uv run python docs/make_protocol.py
"""

from __future__ import annotations

from pathlib import Path

from reswhis.transports.native_reference import with_reference
from reswhis.transports.native_schema import text

HERE = Path(__file__).parent


def main() -> None:
    (HERE / "protocol.schema.json").write_text(text(), encoding="utf-8")
    page = HERE / "protocol.md"
    page.write_text(with_reference(page.read_text("utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()

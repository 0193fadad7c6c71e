"""Every codec puts on the wire what it always did."""

import pytest

from golden import FILES, FOLDER


@pytest.mark.parametrize("name", FILES)
def test_the_wire_is_as_in_the_golden_file(name):
    """If that is meant to change: uv run python tests/golden.py, and read what differs."""
    assert FILES[name]() == (FOLDER / name).read_bytes().decode()


def test_there_is_no_golden_file_that_nothing_is_compared_with():
    assert {path.name for path in FOLDER.iterdir()} == set(FILES)

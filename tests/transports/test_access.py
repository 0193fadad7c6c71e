"""Whose pages may open a session. Over real sockets this is tested in tests/server; here are the names of machines."""

import pytest

from reswhis.transports.access import Access

ACCESS = Access(own_names=("studio", "studio.local"))


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://studio:8000", "studio:8000"),
        ("http://Studio.local:8000", "studio.local:8000"),
        ("https://192.168.1.5:8000", "192.168.1.5:8000"),
        ("null", "localhost:8000"),  # a file
        ("file://", "127.0.0.1:8000"),
        ("null", "[::1]:8000"),
    ],
)
def test_a_page_of_this_machine_may_connect_to_it(origin, host):
    assert ACCESS.allows_origin(origin, host)


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        ("http://evil.example:8000", "evil.example:8000"),  # made to point here
        ("http://studio:9000", "studio:8000"),  # another server on it
        ("http://studio:8000", "192.168.1.5:8000"),
        ("http://192.168.1.6:8000", "192.168.1.5:8000"),
        ("http://[", "studio:8000"),
        ("studio:8000", "studio:8000"),
        ("null", "192.168.1.5:8000"),  # also what a page in a sandboxed frame says
        ("null", "evil.example:8000"),
        ("file://", "studio:8000"),
    ],
)
def test_any_other_may_not(origin, host):
    assert not ACCESS.allows_origin(origin, host)


def test_files_may_connect_from_anywhere_if_that_is_asked_for():
    access = Access(allowed_origins=("null",))
    assert access.allows_origin("null", "192.168.1.5:8000") and access.allows_origin("file://", "192.168.1.5:8000")

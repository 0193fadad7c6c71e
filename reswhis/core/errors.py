"""What can go wrong, by what the caller should do about it.

ReswhisError
├── ClientError          the client broke the protocol; the text is safe to send to it
├── Overloaded           come back later
├── BackendError         one window could not be decoded; the backend is still usable
├── EngineDead           nothing can be decoded any more
└── ConfigurationError   the server cannot start as it was asked to
"""

from __future__ import annotations


class ReswhisError(Exception):
    """Anything this package raises on purpose."""


class ClientError(ReswhisError):
    """The client broke the protocol; the text is safe to send to it.

    ``code`` is one of the protocol's own words, ``param`` the field that is wrong.
    """

    def __init__(self, message: str, *, code: str = "invalid_request", param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.param = param


class Overloaded(ReswhisError):
    """A bound was reached; nothing was taken."""


class BackendError(ReswhisError):
    """One window could not be decoded. The text is for the log, never for a client."""


class EngineDead(ReswhisError):
    """The engine is closed, or its last worker has gone."""


class ConfigurationError(ReswhisError):
    """The server cannot start as it was asked to. The text is one sentence that says what to do."""

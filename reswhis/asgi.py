"""The application for any ASGI server: ``uvicorn reswhis.asgi:app``. Settings come from the environment.

`reswhis` itself is the better way to serve: it lets live sessions finish when it is stopped, which an ASGI
application alone cannot, since the server closes its sockets first.
"""

from __future__ import annotations

import os

from reswhis.app import make_app, make_service
from reswhis.settings import from_sources

_settings = from_sources(os.environ)
app = make_app(_settings, make_service(_settings))

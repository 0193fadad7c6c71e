"""Where the server can be reached, in words and as a QR code for a phone. Called by ``serve`` when it listens."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import ip_address

from reswhis.transports.addresses import reachable_hosts, url

from .tls import Tls

logger = logging.getLogger(__name__)

AUTHORITY_PATH = "/certificate.crt"
MAX_ALSO = 4
HINT = "browsers let a page use the microphone only over https, or on this machine itself: see --https"
QUIET_ZONE = 4
"""Light modules around a QR code, as its standard wants."""
HALVES = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}


@dataclass(frozen=True, slots=True)
class Announcement:
    lines: tuple[str, ...]
    """The first is ``listening on`` and the address."""
    address: str | None = None
    """What a phone should open, if it can."""

    def say(self) -> None:
        """In the log; the QR code on the terminal only."""
        for line in self.lines:
            logger.info("%s", line)
        if self.address is not None and logger.isEnabledFor(logging.INFO):
            _show(self.address)


def announcement(host: str, bound: str, port: int, tls: Tls | None) -> Announcement:
    """``host`` as it was asked for, ``bound`` the address that it became."""
    listening = f"listening on {url('http' if tls is None else 'https', bound, port)}"
    hosts = reachable_hosts(host)
    if tls is None and ip_address(bound).is_unspecified:
        return Announcement((listening, *_plain(hosts, port)))
    if tls is None:
        return Announcement((listening, HINT) if hosts else (listening,))
    if tls.fingerprint is None:
        hosts = [name for name in tls.names if name in hosts or _is_public(name)] if hosts else []
        addresses = [url("https", name, port) for name in hosts]
        return Announcement((listening, *_reachable(addresses)), next(iter(addresses), None))
    addresses = [url("https", host, port) for host in hosts]
    return Announcement((listening, *_reachable(addresses), *_made(addresses, tls)), next(iter(addresses), None))


def _plain(hosts: list[str], port: int) -> Iterator[str]:
    yield f"on this machine, open {url('http', 'localhost', port)}"
    if hosts:
        yield from _reachable([url("http", host, port) for host in hosts])
        yield HINT


def _is_public(name: str) -> bool:
    """A name that a device can be sent to: not an address, which would be this machine's if it were right."""
    return "." in name and not name.startswith("*") and not name.replace(".", "").isdecimal() and ":" not in name


def _reachable(addresses: list[str]) -> Iterator[str]:
    if addresses:
        first, *others = addresses
        yield f"on a phone or another computer, open {first}"
        if others:
            more = ", ..." if len(others) > MAX_ALSO else ""
            yield f"this machine has other addresses too: {', '.join(others[:MAX_ALSO])}{more}"


def _made(addresses: list[str], tls: Tls) -> Iterator[str]:
    if not addresses:
        yield "only this machine can reach it; for a phone add --host 0.0.0.0"
    yield f"browsers will warn; the certificate's SHA-256, to compare: {tls.fingerprint}"
    if addresses:
        yield f"iPhones have to install {addresses[0]}{AUTHORITY_PATH} (docs/https.md)"


def _show(address: str) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    code = qr_code(address)
    # Without its own colours it would be inverted on half of all terminals, and not every phone reads that.
    if not console.is_terminal or console.is_dumb_terminal or console.no_color or console.width < len(code[0]):
        return
    if console.height < len(code) or not _can_show("".join(HALVES.values())):
        return
    for line in code:
        console.print(Text(line, style="#000000 on #ffffff"), no_wrap=True, highlight=False)


def _can_show(characters: str) -> bool:
    try:
        characters.encode(sys.stderr.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True


def qr_code(address: str) -> list[str]:
    """Lines of equal length, two rows of the code in each, dark as the foreground."""
    import segno

    rows = [[bool(cell) for cell in row] for row in segno.make_qr(address, error="l").matrix_iter(border=QUIET_ZONE)]
    rows += [[False] * len(rows[0])] * (len(rows) % 2)
    pairs = zip(rows[::2], rows[1::2], strict=True)
    return ["".join(HALVES[both] for both in zip(above, below, strict=True)) for above, below in pairs]

"""Checks of how the server will be reached: its port, its certificate, and what browsers make of the address."""

from __future__ import annotations

import errno
import http.client
import json
import socket
import ssl
import sys
from collections.abc import Iterator
from typing import Any

from .finding import Case, Finding, Remedy, State

INFO_S = 2.0
PORTS_TRIED = 50


def certificate(case: Case) -> Iterator[Finding]:
    """One that is given; that of ``--https`` is made when the server starts."""
    from reswhis.core.errors import ConfigurationError

    from ..tls import from_settings

    settings = case.settings
    if settings.ssl_certfile is None and settings.ssl_keyfile is None:
        return
    try:
        from_settings(settings)
    except ConfigurationError as error:
        remedy = Remedy("Without a certificate of your own", "reswhis --https")
        yield Finding("certificate", State.PROBLEM, str(error).rstrip("."), remedy)
    else:
        yield Finding("certificate", State.OK, str(settings.ssl_certfile))


def port(case: Case) -> Iterator[Finding]:
    settings = case.settings
    host, number = settings.host, settings.port
    if number == 0:
        yield Finding("port", State.OK, "any that is free")
        return
    try:
        _bind(host, number)
    except OSError as error:
        yield _taken(host, number, error)
    else:
        yield Finding("port", State.OK, f"{host} port {number} is free")


def grpc_ports(case: Case) -> Iterator[Finding]:
    """Whose they are if they are taken cannot be asked without the library."""
    from reswhis.core.errors import ConfigurationError
    from reswhis.transports.grpc_door.opening import INSTALL, require

    settings = case.settings
    if not settings.grpc:
        return
    try:
        require()
    except ConfigurationError:
        yield Finding("gRPC", State.PROBLEM, "gRPC is not installed", Remedy("This brings it", INSTALL))
        return
    host = settings.host
    for number in settings.ports:
        place = f"{host} port {number}" if number else "any port that is free"
        if number == 0 or _is_free(host, number):
            yield Finding("gRPC", State.OK, f"{place} is free" if number else place)
        else:
            another = Remedy(
                "If it is not reswhis's own, take another", f"reswhis --grpc --ports {_free_near(host, number)}"
            )
            yield Finding(
                "gRPC", State.WARNING, f"{place} is taken, by a reswhis that runs or by another program", another
            )


def _free_near(host: str, number: int) -> int:
    """0 if there is none."""
    near = range(number + 1, min(number + PORTS_TRIED, 65_536))
    return next((port for port in near if _is_free(host, port)), 0)


def _taken(host: str, number: int, error: OSError) -> Finding:
    place = f"{host} port {number}"
    if error.errno == errno.EADDRINUSE or (sys.platform == "win32" and isinstance(error, PermissionError)):
        if (info := ask_info(host, number)) is not None:
            return judge_running(place, info)
        another = Remedy("Take another", f"reswhis --port {_free_near(host, number)}")
        return Finding("port", State.PROBLEM, f"{place} is taken by another program", another)
    reason = error.strerror or str(error)
    if isinstance(error, PermissionError):
        remedy = Remedy("Ports below 1024 are the system's; take another", "reswhis --port 8000")
    else:
        remedy = Remedy("It must be an address of this machine; for all of them", "reswhis --host 0.0.0.0")
    return Finding("port", State.PROBLEM, f"{place} cannot be listened on: {reason}", remedy)


def judge_running(place: str, info: dict[str, Any]) -> Finding:
    """Of a reswhis that has the port already."""
    state = info.get("state")
    said = f"{place} is that of reswhis {info.get('version', '0.1')}, which runs"
    model = f"{info.get('backend')}, model {info.get('model_size')}, on {info.get('device')}"
    if state == "failed":
        again = Remedy("Stop it, and see what this says", "reswhis")
        return Finding("port", State.PROBLEM, f"{said} and has failed: its log says why", again)
    if state in ("loading", "draining"):
        return Finding("port", State.OK, f"{said} and is {state}: {model}")
    sessions = f", {info['sessions']} of {info['max_sessions']} sessions" if "max_sessions" in info else ""
    return Finding("port", State.OK, f"{said}: {model}{sessions}")


def ask_info(host: str, number: int) -> dict[str, Any] | None:
    """What a reswhis says of itself; None if it is none. Over TLS any certificate will do: nothing is told."""
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)
    anyone = ssl._create_unverified_context()
    connections = (
        http.client.HTTPConnection(address, number, timeout=INFO_S),
        http.client.HTTPSConnection(address, number, timeout=INFO_S, context=anyone),
    )
    for connection in connections:
        try:
            connection.request("GET", "/info")
            answer = connection.getresponse()
            content = json.loads(answer.read(100_000))
        except TimeoutError:
            return None  # whoever speaks TLS would have hung up
        except (OSError, http.client.HTTPException, ValueError):
            continue
        finally:
            connection.close()
        if isinstance(content, dict) and "sampling_rate" in content:
            return content
    return None


def browsers(case: Case) -> Iterator[Finding]:
    from reswhis.transports.addresses import reachable_hosts, url

    settings = case.settings
    secure = settings.https or settings.ssl_certfile is not None
    hosts = reachable_hosts(settings.host)
    here = url("https" if secure else "http", "localhost", settings.port)
    if not hosts:
        what = f"{here} gets the microphone, on this machine; for others, see --https"
        yield Finding("browsers", State.OK, what)
    elif secure:
        yield Finding("browsers", State.OK, f"{url('https', hosts[0], settings.port)} gets the microphone, everywhere")
    else:
        what = f"only {here} gets the microphone: to other machines browsers give it over https alone"
        remedy = Remedy("To speak it", f"reswhis --host {settings.host} --https")
        yield Finding("browsers", State.WARNING, what, remedy)


def _bind(host: str, number: int) -> None:
    """As the server does it, but for a moment. Raises OSError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as listener:
        if sys.platform != "win32":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, number))


def _is_free(host: str, number: int) -> bool:
    try:
        _bind(host, number)
    except OSError:
        return False
    return True

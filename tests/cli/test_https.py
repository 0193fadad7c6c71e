"""TLS: a certificate that was given, that of ``--https``, and what people are told about either."""

import asyncio
import hashlib
import os
import re
import shutil
import socket
import ssl
import stat
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest
import soundfile
import websockets
from cryptography.hazmat.primitives import serialization

from reswhis.cli import announcement, certificate, tls
from reswhis.cli.plain_http import Context, answer
from reswhis.core.errors import ConfigurationError
from reswhis.settings import Settings
from reswhis.transports import addresses

from native_client import connect, play
from server_process import START_S, Process

NOW = datetime.now(UTC)
POSIX = pytest.mark.skipif(os.name == "nt", reason="signals, file modes and terminals are another thing there")
RECORDINGS = Path(__file__).parents[1] / "recordings"


class SecureProcess(Process):
    """``context`` trusts its certificate's authority alone."""

    def __init__(self, authority, *arguments, env=None):
        self.authority = authority
        super().__init__("--backend", "fake", *arguments, env=env)

    def _read(self):
        for line in self.process.stderr:
            self.log.append(line)
            if found := re.search(r"listening on (https://\S+)", line):
                self.port = urlsplit(found[1]).port
                self.url = f"https://127.0.0.1:{self.port}"
            if "ready: " in line:
                self._listening.set()
        self._listening.set()

    def ready(self):
        self.listening()
        self.context = ssl.create_default_context(cafile=self.authority)
        self.context.verify_flags |= ssl.VERIFY_X509_STRICT  # what Python 3.13 does by default
        return self


@pytest.fixture(scope="module")
def state(tmp_path_factory):
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def own(state):
    """A server with --https, in all networks of this machine."""
    directory = state / "reswhis" / "https"
    environ = {"XDG_STATE_HOME": str(state), "WIN_PD_OVERRIDE_LOCAL_APPDATA": str(state)}
    process = SecureProcess(directory / "certificate.pem", "--https", "--host", "0.0.0.0", env=environ)
    yield process.ready()
    process.stop()


@pytest.fixture(scope="module")
def speech():
    return soundfile.read(RECORDINGS / "flite-022.flac", dtype="int16")[0][:48_000]


def write(directory, *names, now=NOW, password=None):
    """Certificate, key and authority, as files of a given name each."""
    made, authority, key = certificate.make(names or ["127.0.0.1"], now)
    locked = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    contents = {
        "cert.pem": made.public_bytes(pem) + authority.public_bytes(pem),
        "key.pem": key.private_bytes(pem, pkcs8, locked),
        "authority.pem": authority.public_bytes(pem),
    }
    directory.mkdir(exist_ok=True)
    for name, content in contents.items():
        (directory / name).write_bytes(content)
    return [directory / name for name in contents]


# The server.


def test_words_come_over_tls_to_who_trusts_exactly_this_certificate(own, speech):
    async def scenario():
        async with connect(f"{own.ws}", ssl=own.context) as client:
            await client.stream(speech)
            await client.say("finish")
            return await client.rest(), client.text

    (_, close), text = play(scenario())
    assert text.split() == ["w0", "w1", "w2"]
    assert close[0] == 1000
    assert httpx.get(f"{own.url}/info", verify=own.context).json()["backend"] == "fake"


def test_the_certificate_holds_for_this_machines_names_and_addresses(own):
    for name in ("localhost", "127.0.0.1", *addresses.machine_names(), *map(str, addresses.network_addresses())):
        with (
            socket.create_connection(("127.0.0.1", own.port)) as plain,
            own.context.wrap_socket(plain, server_hostname=name) as secure,  # raises if it does not
        ):
            assert secure.version() in ("TLSv1.2", "TLSv1.3")


def test_who_does_not_trust_it_goes_without_a_trace_in_the_log(own):
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        httpx.get(f"{own.url}/info", verify=ssl.create_default_context())
    with socket.create_connection(("127.0.0.1", own.port)) as rubbish:
        rubbish.sendall(b"\x00\x01rubbish\r\n\r\n" * 10)
        rubbish.settimeout(10)
        assert b"HTTP" not in everything(rubbish)
    assert httpx.get(f"{own.url}/info", verify=own.context).status_code == 200
    assert not re.search("Traceback|ERROR|WARNING", own.text)


def test_plain_http_is_sent_to_https_and_a_plain_websocket_is_told(own):
    plain = own.url.replace("https", "http", 1)
    moved = httpx.get(f"{plain}/info?a=b")
    assert (moved.status_code, moved.headers["Location"]) == (307, f"{own.url}/info?a=b")
    assert httpx.get(f"{plain}/info", follow_redirects=True, verify=own.context).status_code == 200
    assert "https://" in httpx.post(f"{plain}/info", content=b"x" * 100_000).json()["message"]

    async def scenario():
        with pytest.raises(websockets.InvalidStatus) as refused:
            await websockets.connect(own.ws.replace("wss", "ws", 1))
        return refused.value.response

    response = play(scenario())
    assert response.status_code == 400
    assert b"wss://" in response.body


def test_a_phone_can_fetch_the_authority_which_is_no_secret(own):
    given = httpx.get(f"{own.url}/certificate.crt", verify=own.context)
    assert given.headers["Content-Type"] == "application/x-x509-ca-cert"
    assert given.content == own.authority.read_bytes()
    assert b"PRIVATE" not in given.content


def test_the_log_says_where_to_go_and_what_to_compare(own):
    peer = ssl.PEM_cert_to_DER_cert(ssl.get_server_certificate(("127.0.0.1", own.port)))
    digest = hashlib.sha256(peer).hexdigest().upper()
    assert digest in own.text.replace(":", "").replace(" ", "")
    for address in addresses.reachable_hosts("0.0.0.0")[:1]:  # none without a network
        assert own.says(f"open https://{address}:{own.port}\n")


@POSIX
def test_the_key_is_for_its_owner_alone(own):
    directory = own.authority.parent
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {
        "server.pem": 0o600,
        "certificate.pem": 0o600,
    }


@POSIX
def test_a_stopped_server_lets_a_given_certificates_clients_read_their_last_words(tmp_path, speech):
    """Its own page under the certificate's name may connect; a line that never shakes hands holds nobody up."""
    cert, key, authority = write(tmp_path, "127.0.0.1", "asr.example.org", password=b"open, sesame")
    files = ["--ssl-certfile", str(cert), "--ssl-keyfile", str(key)]
    server = SecureProcess(authority, *files, env={"RESWHIS_SSL_KEYFILE_PASSWORD": "open, sesame"})

    async def scenario():
        page = {"ssl": server.context, "origin": f"https://asr.example.org:{server.port}"}
        foreign = {"ssl": server.context, "origin": f"https://evil.example.org:{server.port}"}
        with pytest.raises(websockets.InvalidStatus):
            await websockets.connect(server.ws, **foreign)
        async with connect(server.ws, **page) as client:
            await client.say("start")
            await client.stream(speech)
            await client.say("ping", id=1)
            await client.until("pong")  # all of it has arrived
            server.interrupt()
            messages, close = await client.rest()
        return messages, close, client.text

    try:
        server.ready()
        with socket.create_connection(("127.0.0.1", server.port)):
            messages, close, text = play(scenario())
            assert server.wait(10) == 0
        assert text.split() == ["w0", "w1", "w2"]
        assert messages[-1]["type"] == "finished"
        assert close == (1012, "server_restart")
        assert "Traceback" not in server.text
    finally:
        server.stop()


def everything(connection):
    said = b""
    try:
        while part := connection.recv(4096):
            said += part
    except ConnectionResetError:
        pass
    return said


# Refusals.


def refusal(**settings):
    with pytest.raises(ConfigurationError) as refused:
        tls.from_settings(Settings(**settings))
    said = str(refused.value)
    assert "\n" not in said
    assert said.endswith(".")
    return said


def test_a_start_that_is_refused_is_one_sentence_and_code_2(tmp_path):
    (tmp_path / "reswhis").write_text("a file where the directory would be")
    environ = {"XDG_STATE_HOME": str(tmp_path), "WIN_PD_OVERRIDE_LOCAL_APPDATA": str(tmp_path)}
    process = Process("--backend", "fake", "--https", env=environ)
    try:
        assert process.wait(START_S) == 2
        assert process.text.startswith("reswhis: the certificate of --https cannot be kept in ")
        assert process.text.count("\n") == 1
    finally:
        process.stop()


def test_every_fault_of_the_files_has_its_own_sentence(tmp_path):
    cert, key, _ = write(tmp_path / "one")
    other, other_key, _ = write(tmp_path / "other", password=b"secret")
    chain = tmp_path / "wrong-order.pem"
    chain.write_bytes(other.read_bytes() + cert.read_bytes())
    text = tmp_path / "text"
    text.write_text("hello")
    broken = tmp_path / "broken.pem"
    broken.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    missing = tmp_path / "missing.pem"

    assert "one of the two" in refusal(https=True, ssl_certfile=cert)
    assert "one of the two" in refusal(https=True, ssl_keyfile=key)
    assert "no certificate" in refusal(ssl_keyfile=key)
    assert "no key" in refusal(ssl_certfile=cert)
    assert "No such file" in refusal(ssl_certfile=missing, ssl_keyfile=key)
    assert f"the key {missing} cannot be read" in refusal(ssl_certfile=cert, ssl_keyfile=missing)
    assert "cannot be read" in refusal(ssl_certfile=tmp_path, ssl_keyfile=key)
    assert "not a certificate in PEM" in refusal(ssl_certfile=text, ssl_keyfile=key)
    assert "not a key in PEM" in refusal(ssl_certfile=cert, ssl_keyfile=text)
    assert "belongs to --ssl-keyfile" in refusal(ssl_certfile=key, ssl_keyfile=cert)
    assert "no private key" in refusal(ssl_certfile=cert, ssl_keyfile=cert)
    assert "does not belong" in refusal(ssl_certfile=other, ssl_keyfile=key)
    assert "must be the first" in refusal(ssl_certfile=chain, ssl_keyfile=key)
    assert "damaged" in refusal(ssl_certfile=cert, ssl_keyfile=broken)
    assert "RESWHIS_SSL_KEYFILE_PASSWORD" in refusal(ssl_certfile=other, ssl_keyfile=other_key)
    said = refusal(ssl_certfile=other, ssl_keyfile=other_key, ssl_keyfile_password="guess")
    assert "does not open" in said
    assert "guess" not in said


def test_a_key_in_the_certificates_file_and_a_needless_password_are_fine(tmp_path):
    cert, key, _ = write(tmp_path)
    both = tmp_path / "both.pem"
    both.write_bytes(cert.read_bytes() + key.read_bytes())
    made = tls.from_settings(Settings(ssl_certfile=both, ssl_keyfile_password="x"))
    assert made.context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert made.names == ("127.0.0.1",)


@pytest.mark.parametrize(("days", "said"), [(-1000, "ended on"), (30, "only valid from"), (0, None)])
def test_a_given_certificate_out_of_its_time_is_used_with_a_warning(tmp_path, caplog, days, said):
    cert, key, _ = write(tmp_path, now=NOW + timedelta(days=days))
    assert tls.from_settings(Settings(ssl_certfile=cert, ssl_keyfile=key)) is not None
    assert [said in record.getMessage() for record in caplog.records] == [True] * (said is not None)


def test_the_password_is_in_no_representation():
    assert "sesame" not in repr(Settings(ssl_keyfile_password="sesame"))


# The certificate that is kept.


def test_a_certificate_that_still_holds_is_kept_and_its_copy_restored(tmp_path):
    first = certificate.keep(tmp_path, ["localhost"], ["192.0.2.7"], NOW)
    before = first.file.read_bytes()
    copy = tmp_path / "certificate.pem"
    copy.write_text("of another server that started at the same time")
    again = certificate.keep(tmp_path, ["localhost", "192.0.2.7"], ["192.0.2.8"], NOW + timedelta(days=700))
    assert (again.why_new, again.file.read_bytes()) == (None, before)
    assert before.endswith(again.authority)
    assert copy.read_bytes() == again.authority


def test_one_for_another_address_has_the_old_ones_too_and_another_key(tmp_path):
    old = certificate.keep(tmp_path, ["localhost", "192.0.2.7"], [], NOW)
    new = certificate.keep(tmp_path, ["localhost", "192.0.2.8"], [], NOW)
    assert "192.0.2.8" in new.why_new
    assert certificate.names_of(new.certificate) == ["localhost", "192.0.2.8", "192.0.2.7"]
    assert new.certificate.public_key() != old.certificate.public_key()
    assert certificate.keep(tmp_path, ["localhost", "192.0.2.7"], [], NOW).why_new is None


def test_names_without_end_do_not_push_out_those_that_are_needed(tmp_path):
    certificate.keep(tmp_path, [f"host-{n}" for n in range(100)], [], NOW)
    new = certificate.keep(tmp_path, ["needed"], [], NOW)
    assert "needed" in certificate.names_of(new.certificate)
    assert len(certificate.names_of(new.certificate)) == certificate.MAX_NAMES


@pytest.mark.parametrize("spoilt", ["near its end", "not yet valid", "cut short", "of another key"])
def test_one_that_cannot_be_used_is_made_anew(tmp_path, spoilt):
    file = certificate.keep(tmp_path, ["localhost"], [], NOW).file
    now = NOW
    match spoilt:
        case "near its end":
            now += certificate.VALID - timedelta(days=20)
        case "not yet valid":
            now -= timedelta(days=3)
        case "cut short":
            file.write_bytes(file.read_bytes()[:500])
        case "of another key":
            _, key, _ = write(tmp_path / "other")
            file.write_bytes(key.read_bytes() + file.read_bytes().partition(b"-----END PRIVATE KEY-----\n")[2])
    new = certificate.keep(tmp_path, ["localhost"], [], now)
    assert new.why_new is not None
    tls._context(new.file, None, "")
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".new")] == []


def test_apple_and_python_take_it_for_a_server():
    made, authority, _ = certificate.make(["localhost", "::1"], NOW)
    assert made.not_valid_after_utc - made.not_valid_before_utc <= timedelta(days=825)
    assert certificate.names_of(made) == ["localhost", "::1"]
    made.verify_directly_issued_by(authority)


# What people are told.


def told(host, bound, settings=None, *, names=()):
    kind = None if settings is None else tls.Tls(Context(ssl.PROTOCOL_TLS_SERVER), names, **settings)
    found = announcement.announcement(host, bound, 8000, kind)
    return found.lines, found.address


def test_plain_http_in_a_network_says_what_the_microphone_needs():
    lines, address = told("192.0.2.9", "192.0.2.9")
    assert lines[0] == "listening on http://192.0.2.9:8000"
    assert "microphone" in lines[1] and "--https" in lines[1]
    assert address is None
    assert told("127.0.0.1", "127.0.0.1") == (("listening on http://127.0.0.1:8000",), None)


def test_https_for_this_machine_alone_says_how_to_let_a_phone_in_and_shows_no_code():
    lines, address = told("127.0.0.1", "127.0.0.1", {"fingerprint": "AB:CD"})
    assert lines[0] == "listening on https://127.0.0.1:8000"
    assert any("--host 0.0.0.0" in line for line in lines)
    assert address is None


def test_https_in_a_network_says_what_to_open_what_to_compare_and_what_iphones_want():
    lines, address = told("2001:db8::7", "2001:db8::7", {"fingerprint": "AB:CD"})
    assert address == "https://[2001:db8::7]:8000"
    assert any(line.endswith(f"open {address}") for line in lines)
    assert any("AB:CD" in line for line in lines)
    assert any(f"{address}/certificate.crt" in line for line in lines)


def test_a_given_certificate_is_announced_by_its_names():
    names = ("localhost", "*.example.org", "asr.example.org", "192.0.2.9")
    lines, address = told("192.0.2.9", "192.0.2.9", {}, names=names)
    assert address == "https://asr.example.org:8000"
    assert "https://192.0.2.9:8000" in lines[2]
    assert not any("*" in line or "localhost" in line for line in lines)


def test_the_addresses_of_a_network_are_those_that_others_can_use():
    found = addresses.network_addresses()
    assert len(found) == len(set(found))
    assert not any(address.is_loopback or address.is_link_local for address in found)
    assert all(ip_address(host).version == 4 for host in addresses.reachable_hosts("0.0.0.0"))
    assert addresses.reachable_hosts("localhost") == addresses.reachable_hosts("::1") == []


def test_host_names_that_dns_cannot_have_are_left_out():
    assert addresses.as_dns_name("Box.Local.") == "box.local"
    assert addresses.as_dns_name("Büro") == "xn--bro-hoa"
    assert addresses.as_dns_name("my box") is None
    assert addresses.as_dns_name("a" * 70) is None


@POSIX
@pytest.mark.skipif(shutil.which("zbarimg") is None, reason="reads the code: apt install zbar-tools")
def test_a_phone_can_read_the_code_on_the_terminal(tmp_path):
    address = "https://192.168.178.123:8443"
    shown = on_a_terminal(address, columns=80)
    lines = [line for line in re.sub(r"\x1b\[[0-9;]*m", "", shown).splitlines() if line]
    dark = {" ": (0, 0), "▀": (1, 0), "▄": (0, 1), "█": (1, 1)}
    rows = [[dark[character][half] for character in line] for line in lines for half in (0, 1)]
    picture = tmp_path / "code.pgm"  # four pixels for each module
    pixels = [bytes(255 * (1 - module) for module in row for _ in range(4)) for row in rows for _ in range(4)]
    picture.write_bytes(f"P5 {len(pixels[0])} {len(pixels)} 255\n".encode() + b"".join(pixels))
    read = subprocess.run(["zbarimg", "-q", "--raw", picture], capture_output=True, text=True, check=True)
    assert read.stdout.strip() == address


@POSIX
@pytest.mark.parametrize("screen", [{"columns": 30}, {"term": "dumb"}, {"rows": 10}])
def test_a_terminal_on_which_no_phone_could_read_it_gets_no_code(screen):
    assert on_a_terminal("https://192.168.178.123:8443", **screen).strip() == ""


def on_a_terminal(address, *, columns=80, rows=24, term="xterm-256color"):
    """What a terminal of this size gets to see of a code."""
    import pty

    script = f"from reswhis.cli.announcement import _show; _show({address!r})"
    environ = {"TERM": term, "COLUMNS": str(columns), "LINES": str(rows), "PYTHONIOENCODING": "utf-8"}
    ours, theirs = pty.openpty()
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    process = subprocess.Popen([sys.executable, "-c", script], stderr=theirs, env=kept | environ)
    os.close(theirs)
    shown = b""
    try:
        while part := os.read(ours, 65536):
            shown += part
    except OSError:  # so Linux ends a terminal that nobody writes to any more
        pass
    os.close(ours)
    assert process.wait(START_S) == 0
    return shown.decode()


# Plain HTTP on a port for TLS.


@pytest.mark.parametrize(
    ("head", "location"),
    [
        (b"GET /a?b HTTP/1.1\r\nHost: box:1\r\n\r\n", b"https://box:1/a?b"),
        (b"HEAD / HTTP/1.0\r\nUser-Agent: x\r\nhost:[::1]:1\r\n\r\n", b"https://[::1]:1/"),
        (b"GET / HTTP/1.1\r\nHost: box\r\nX: y\r\nUpgrade: websocket\r\n\r\n", None),
        (b"POST / HTTP/1.1\r\nHost: box\r\n\r\n", None),
        (b"GET / HTTP/1.1\r\nHost: bo\rx\r\n\r\n", None),
        (b"GET http://elsewhere/ HTTP/1.1\r\nHost: box\r\n\r\n", None),
        (b"HELO box\r\n\r\n", None),
    ],
)
def test_only_a_pages_request_is_sent_on_and_only_to_where_it_came(head, location):
    said = answer(head)
    assert said.startswith(b"HTTP/1.1 307" if location else b"HTTP/1.1 400")
    assert (location is not None) == (b"Location" in said)
    assert location is None or b"\r\nLocation: %s\r\n" % location in said


def test_also_under_asyncios_own_loop_and_however_it_is_split(tmp_path):
    cert, key, authority = write(tmp_path)
    context = Context(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    trusting = ssl.create_default_context(cafile=authority)

    async def echo(reader, writer):
        writer.write(await reader.read(100))
        writer.close()

    async def scenario():
        async with await asyncio.start_server(echo, "127.0.0.1", ssl=context) as server:
            where = server.sockets[0].getsockname()
            reader, writer = await asyncio.open_connection(*where)
            for byte in b"GET / HTTP/1.1\r\nHost: box\r\n\r\n":
                writer.write(bytes([byte]))
                await asyncio.sleep(0)
            said = await reader.readuntil(b"}")
            writer.close()
            reader, writer = await asyncio.open_connection(*where, ssl=trusting)
            writer.write(b"hello")
            return said, await reader.read()

    said, echoed = play(scenario())
    assert b"Location: https://box/\r\n" in said
    assert echoed == b"hello"


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("2001:DB8:0::1", "2001:db8::1"),
        ("fe80::1%eth0", "fe80::1"),
        ("Box.Example.", "box.example"),
        ("192.168.1.5", "192.168.1.5"),
    ],
)
def test_a_host_in_another_spelling_needs_no_other_certificate(written, name):
    assert addresses.canonical(written) == name

"""What docs/troubleshooting.md quotes is what is said, and its configuration of nginx is one."""

import ast
import re
import shutil
import subprocess
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509 import NameOID
from docs.snippets import ROOT, snippets

from reswhis.transports.native_endings import CLOSE_CODES

PAGE = ROOT / "docs" / "troubleshooting.md"
QUOTES = [line.removeprefix("> ") for line in PAGE.read_text("utf-8").splitlines() if line.startswith("> ")]
LEAST = 12
"""Characters of its own that a text has at least: one that is all placeholders would fit everything."""


def python_texts(path):
    """Every string of a module, cut where something is filled in."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        match node:
            case ast.JoinedStr(values):
                yield "".join(part.value if isinstance(part, ast.Constant) else "\0" for part in values).split("\0")
            case ast.Constant(str(text)):
                yield re.split(r"%[-.\d]*[sdg]", text)


def page_texts(path):
    """The same of the scripts of a page."""
    for text in re.findall(r"'([^'\n]*)'|`([^`]*)`", path.read_text("utf-8")):
        yield re.split(r"\$\{[^}]*\}", "".join(text))


def patterns():
    sources = [python_texts(path) for path in (ROOT / "reswhis").rglob("*.py")]
    sources.append(page_texts(ROOT / "clients" / "web_client.html"))
    for parts in (parts for texts in sources for parts in texts):
        if sum(map(len, parts)) >= LEAST:
            yield re.compile(".+".join(map(re.escape, parts)))


def test_every_message_that_is_quoted_can_be_said():
    known = list(patterns())
    assert len(QUOTES) > 10
    assert [quote for quote in QUOTES if not any(pattern.fullmatch(quote) for pattern in known)] == []


def test_what_nobody_says_would_be_found():
    assert not any(pattern.fullmatch("The model base cannot be found.") for pattern in patterns())


def test_closes_have_the_codes_of_the_table():
    rows = re.findall(r"^\| (\d{4}) \| (`.+`) \|", PAGE.read_text("utf-8"), re.MULTILINE)
    stated = {reason: int(code) for code, reasons in rows for reason in re.findall(r"`(\w+)`", reasons)}
    assert stated == {**CLOSE_CODES, "text_frame": 1003}


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_nginx_takes_its_configuration(tmp_path):
    (site,) = (snippet.text for snippet in snippets("docs/troubleshooting.md") if snippet.language == "nginx")
    make_certificate(tmp_path)
    site = re.sub(r"/etc/ssl/captions\.(pem|key)", rf"{tmp_path}/captions.\1", site)
    places = "".join(f"{kind}_temp_path {tmp_path};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    file = tmp_path / "nginx.conf"
    file.write_text(f"pid {tmp_path}/pid;\nevents {{}}\nhttp {{\naccess_log off;\n{places}{site}}}\n")
    command = [shutil.which("nginx"), "-t", "-q", "-e", "stderr", "-c", file]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def make_certificate(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "captions.example.org")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .sign(key, SHA256())
    )
    plain = (Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "captions.key").write_bytes(key.private_bytes(*plain))
    (folder / "captions.pem").write_bytes(certificate.public_bytes(Encoding.PEM))

"""The certificate of ``--https``: made for given names and addresses, kept, and made anew when it no longer fits.

Each comes with an authority of its own, whose key is thrown away as soon as it has signed. So it can be
installed on a phone (iPhones want that for WebSockets, and install authorities only) without giving anyone, this
machine included, the means to make certificates that the phone would believe. Its private key is not used again
either: no device remembers a key, all remember a certificate. Knows no settings. Called by :mod:`.tls`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

VALID = timedelta(days=820)
"""Apple's devices refuse more than 825 days, also from an authority that was installed by hand."""
BACKDATED = timedelta(days=1)
"""For a phone whose clock is behind."""
RENEWED = timedelta(days=30)
"""Before its end."""
MAX_NAMES = 64


@dataclass(frozen=True, slots=True)
class Kept:
    file: Path
    """Private key, certificate and authority, as ``ssl`` loads them."""
    authority: bytes
    """PEM for devices to trust; holds no secret."""
    certificate: x509.Certificate
    why_new: str | None
    """Why it was made just now; None if it was there."""


def keep(directory: Path, required: Sequence[str], further: Iterable[str], now: datetime) -> Kept:
    """The certificate in this directory, or a new one if it does not hold for all that is ``required`` any more.

    A new one is for the ``further`` names and those of the old one too, so that moving back and forth
    between two networks takes one new certificate and not one every time. Raises OSError.
    """
    file, copy = directory / "server.pem", directory / "certificate.pem"
    before = _load(file)
    why_new = _unfit(before, required, now)
    if before is not None and why_new is None:
        authority = _pem(before[1])
        if not copy.exists() or copy.read_bytes() != authority:
            _write(copy, authority)
        return Kept(file, authority, before[0], None)
    names = [*required, *further, *(names_of(before[0]) if before else ())]
    certificate, issuer, key = make(list(dict.fromkeys(names))[:MAX_NAMES], now)
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    directory.chmod(0o700)
    # One file, so that two servers that start at once cannot leave the key of one beside the certificate of the other.
    _write(file, _private_pem(key) + _pem(certificate) + _pem(issuer))
    _write(copy, _pem(issuer))
    return Kept(file, _pem(issuer), certificate, why_new)


def names_of(certificate: x509.Certificate) -> list[str]:
    """The DNS names and addresses that it is for."""
    from cryptography import x509

    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):  # the second: extensions that break the standard
        return []
    dns = [name.lower() for name in names.get_values_for_type(x509.DNSName)]
    return dns + [str(address) for address in names.get_values_for_type(x509.IPAddress)]


def fingerprint(certificate: x509.Certificate) -> str:
    """SHA-256 as browsers show it, in two halves."""
    from cryptography.hazmat.primitives import hashes

    pairs = [f"{byte:02X}" for byte in certificate.fingerprint(hashes.SHA256())]
    return f"{':'.join(pairs[:16])} {':'.join(pairs[16:])}"


def make(names: Sequence[str], now: datetime) -> tuple[x509.Certificate, x509.Certificate, EllipticCurvePrivateKey]:
    """A certificate for these DNS names and addresses, the authority that signed it, and the certificate's key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    key, issuer_key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()
    # Told apart in a phone's list, also by software that takes the same name for the same authority.
    issuer_name = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, f"reswhis {now:%Y-%m-%d} {serial % 0x10000:04x}"[:64])]
    )
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "reswhis")])
    identifier = x509.SubjectKeyIdentifier.from_public_key(issuer_key.public_key())
    parent = x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier)

    def builder(name: x509.Name, public_key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        dated = x509.CertificateBuilder(
            issuer_name, name, public_key, x509.random_serial_number(), now - BACKDATED, now - BACKDATED + VALID
        )
        return dated.add_extension(parent, critical=False)

    issuer = (
        builder(issuer_name, issuer_key.public_key())
        .add_extension(identifier, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs=True), critical=True)
        .sign(issuer_key, hashes.SHA256())
    )
    certificate = (
        builder(subject, key.public_key())
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    return certificate, issuer, key


def _usage(*, signs: bool) -> x509.KeyUsage:
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs,
        crl_sign=signs,
        encipher_only=False,
        decipher_only=False,
    )


def _general(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _load(file: Path) -> tuple[x509.Certificate, x509.Certificate] | None:
    """Certificate and authority; None if there are none, or not as they were written."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    try:
        pem = file.read_bytes()
    except FileNotFoundError:
        return None
    try:
        certificate, authority = x509.load_pem_x509_certificates(pem)
        key = serialization.load_pem_private_key(pem, None)
    except (ValueError, TypeError):
        return None
    return (certificate, authority) if key.public_key() == certificate.public_key() else None


def _unfit(
    before: tuple[x509.Certificate, x509.Certificate] | None, required: Collection[str], now: datetime
) -> str | None:
    """What is wrong with the certificate that is there."""
    if before is None:
        return "there was none"
    certificate, _ = before
    if not certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc - RENEWED:
        return f"the old one is valid until {certificate.not_valid_after_utc:%Y-%m-%d}"
    missing = sorted(set(required) - set(names_of(certificate)))
    return f"the old one is not for {', '.join(missing)}" if missing else None


def _pem(certificate: x509.Certificate) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding

    return certificate.public_bytes(Encoding.PEM)


def _private_pem(key: EllipticCurvePrivateKey) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write(file: Path, content: bytes) -> None:
    """As a whole or not at all, and never readable by others."""
    descriptor, temporary = tempfile.mkstemp(dir=file.parent, prefix=".new-")  # mode 0600
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        os.replace(temporary, file)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise

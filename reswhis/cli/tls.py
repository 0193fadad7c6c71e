"""From the settings to what TLS needs: a certificate that was given, or that of ``--https``; or why there is none.

Everything that can be wrong with the files is found here, before a port is opened. Called by ``serve``.
"""

from __future__ import annotations

import logging
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from reswhis.core.errors import ConfigurationError
from reswhis.settings import Settings
from reswhis.transports.addresses import LOOPBACK, canonical, machine_names, network_addresses, reachable_hosts
from reswhis.transports.credentials import Credentials

from .certificate import fingerprint, keep, names_of
from .plain_http import Context

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

logger = logging.getLogger(__name__)

PASSWORD_VARIABLE = "RESWHIS_SSL_KEYFILE_PASSWORD"


@dataclass(frozen=True, slots=True)
class Tls:
    context: ssl.SSLContext
    names: tuple[str, ...]
    """The DNS names and addresses of the certificate."""
    fingerprint: str | None = None
    """Of a certificate that no authority vouches for, for people to compare."""
    authority: bytes | None = None
    """PEM that a device can install to trust that certificate."""
    credentials: Credentials | None = None
    """The same for doors that take no context."""


def from_settings(settings: Settings) -> Tls | None:
    """None: plain HTTP. Raises ConfigurationError."""
    if not settings.https:
        if settings.ssl_certfile is not None:
            return _given(settings.ssl_certfile, settings.ssl_keyfile, _password(settings))
        if settings.ssl_keyfile is not None:
            raise ConfigurationError(
                f"there is a key ({settings.ssl_keyfile}) and no certificate: name it with --ssl-certfile."
            )
        return None
    if settings.ssl_certfile is not None or settings.ssl_keyfile is not None:
        raise ConfigurationError(
            "--https makes a certificate and --ssl-certfile brings one: give one of the two; --no-https undoes --https."
        )
    return _made(settings.host)


def _password(settings: Settings) -> str:
    return "" if settings.ssl_keyfile_password is None else settings.ssl_keyfile_password.get_secret_value()


# The certificate of --https.


def _made(host: str) -> Tls:
    from platformdirs import user_state_path

    directory = user_state_path("reswhis", appauthor=False) / "https"
    served = [canonical(name) for name in reachable_hosts(host)]
    required = [*LOOPBACK, *machine_names(), *served]
    # Addresses that are not served yet are no reason for a new one: those of IPv6 change daily.
    further = [str(address) for address in network_addresses()]
    try:
        kept = keep(directory, list(dict.fromkeys(required)), further, datetime.now(UTC))
    except OSError as error:
        raise ConfigurationError(
            f"the certificate of --https cannot be kept in {directory}: {error.strerror or error}."
        ) from error
    if kept.why_new is not None:
        logger.info("made a certificate in %s (%s)", directory, kept.why_new)
    context = _context(kept.file, None, "")
    credentials = _credentials(_certificates(kept.file), _key(kept.file, "", is_named=False))
    names = tuple(names_of(kept.certificate))
    return Tls(context, names, fingerprint(kept.certificate), kept.authority, credentials)


# A certificate that was given.


def _given(certfile: Path, keyfile: Path | None, password: str) -> Tls:
    certificates = _certificates(certfile)
    key = _key(certfile if keyfile is None else keyfile, password, is_named=keyfile is not None)
    certificate, *others = certificates
    if key.public_key() != certificate.public_key():
        if any(key.public_key() == other.public_key() for other in others):
            raise ConfigurationError(f"the certificate that belongs to the key must be the first in {certfile}.")
        raise ConfigurationError(f"the key in {keyfile or certfile} does not belong to the certificate in {certfile}.")
    _warn_about_dates(certfile, certificate)
    names = tuple(names_of(certificate))
    return Tls(_context(certfile, keyfile, password), names, credentials=_credentials(certificates, key))


def _certificates(file: Path) -> list[x509.Certificate]:
    from cryptography import x509

    pem = _read(file, "the certificate")
    try:
        return x509.load_pem_x509_certificates(pem)
    except ValueError:
        pass
    if b"PRIVATE KEY-----" in pem:
        raise ConfigurationError(f"{file} holds a private key and no certificate: it belongs to --ssl-keyfile.")
    raise ConfigurationError(f"{file} is not a certificate in PEM form, the text that begins with -----BEGIN.")


def _key(file: Path, password: str, *, is_named: bool) -> PrivateKeyTypes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    pem = _read(file, "the key")
    if b"PRIVATE KEY-----" not in pem:
        if not is_named:
            raise ConfigurationError(f"there is a certificate ({file}) and no key: name it with --ssl-keyfile.")
        what = "holds a certificate and no private key" if b"CERTIFICATE-----" in pem else "is not a key in PEM form"
        raise ConfigurationError(f"{file} {what}.")
    try:
        return load_pem_private_key(pem, None)
    except TypeError:  # it is encrypted
        if not password:
            raise ConfigurationError(f"the key in {file} needs a password: give it in {PASSWORD_VARIABLE}.") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigurationError(f"the key in {file} is damaged, or of a kind that is not known here.") from None
    try:
        return load_pem_private_key(pem, password.encode())
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigurationError(f"the password does not open the key in {file}.") from None


def _credentials(certificates: Sequence[x509.Certificate], key: PrivateKeyTypes) -> Credentials:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return Credentials(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        b"".join(certificate.public_bytes(Encoding.PEM) for certificate in certificates),
    )


def _read(file: Path, what: str) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise ConfigurationError(f"{what} {file} cannot be read: {error.strerror or error}.") from error


def _warn_about_dates(file: Path, certificate: x509.Certificate) -> None:
    now = datetime.now(UTC)
    if certificate.not_valid_after_utc < now:
        ended = certificate.not_valid_after_utc
        logger.warning("the certificate in %s ended on %s: clients will refuse it", file, f"{ended:%Y-%m-%d}")
    elif certificate.not_valid_before_utc > now:
        begins = certificate.not_valid_before_utc
        logger.warning("the certificate in %s is only valid from %s (UTC) on", file, f"{begins:%Y-%m-%d %H:%M}")


def _context(certfile: Path, keyfile: Path | None, password: str) -> ssl.SSLContext:
    context = Context(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(certfile, keyfile, lambda: password)  # without the last it would ask on the terminal
    except (ssl.SSLError, OSError) as error:
        reason = (getattr(error, "reason", None) or str(error)).lower().replace("_", " ")
        raise ConfigurationError(f"the certificate in {certfile} cannot be used: {reason}.") from error
    return context

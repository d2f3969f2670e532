"""A certificate authority for one test, and what it vouches for: ``localhost``."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

if TYPE_CHECKING:
    from pathlib import Path

_PEM = serialization.Encoding.PEM


@dataclass(frozen=True)
class Certificate:
    """A self-signed certificate of ``localhost`` and ``127.0.0.1``.

    :param ca: the file that a client trusts it by.
    :param pair: the file with certificate and key.
    """

    ca: Path
    pair: Path

    def server_context(self, *, wants_client: Path | None = None) -> ssl.SSLContext:
        """A server's TLS.

        :param wants_client: a client has to show a certificate that this file vouches for.
        """
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.pair)
        if wants_client is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            context.load_verify_locations(wants_client)
        return context


def self_signed(folder: Path, *, key_password: bytes | None = None) -> Certificate:
    """A certificate that nobody else vouches for.

    :param key_password: encrypts the key.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    encryption: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if key_password is not None:
        encryption = serialization.BestAvailableEncryption(key_password)
    ca, pair = folder / "ca.pem", folder / "pair.pem"
    ca.write_bytes(certificate.public_bytes(_PEM))
    pair.write_bytes(key.private_bytes(_PEM, serialization.PrivateFormat.PKCS8, encryption) + ca.read_bytes())
    return Certificate(ca, pair)

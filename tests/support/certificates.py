"""A certificate that nobody has signed but itself: trusted by whoever is told to (SSL_CERT_FILE), and by nobody else.

And an authority, for those who must have theirs signed.
"""

import datetime as dt
import ipaddress
import ssl
from dataclasses import dataclass, field
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def self_signed(folder: Path, *hosts: str) -> tuple[Path, ssl.SSLContext]:
    """A certificate for localhost, and `hosts`, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _called("localhost")
    now = dt.datetime.now(dt.UTC)
    names = [*map(x509.DNSName, ("localhost", *hosts)), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    public, private = folder / "server.crt", folder / "server.key"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(_pem(key))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    return public, context


@dataclass
class Authority:
    """It signs certificates, its own first. `folder` is where they are written."""

    folder: Path
    name: str = "devices-ca"
    _key: ec.EllipticCurvePrivateKey = field(default_factory=lambda: ec.generate_private_key(ec.SECP256R1()))

    @property
    def certificate(self) -> Path:
        path = self.folder / f"{self.name}.pem"
        if not path.exists():
            ca = x509.BasicConstraints(ca=True, path_length=0)
            path.write_bytes(self._sign(self.name, self._key, ca, ()))
        return path

    def issue(self, common_name: str, *hosts: str, good_for: dt.timedelta = dt.timedelta(days=1)) -> tuple[Path, Path]:
        """A certificate and its key. `hosts`: for a server, beside 127.0.0.1."""
        key = ec.generate_private_key(ec.SECP256R1())
        public, private = self.folder / f"{common_name}.crt", self.folder / f"{common_name}.key"
        leaf = x509.BasicConstraints(ca=False, path_length=None)
        public.write_bytes(self._sign(common_name, key, leaf, hosts, good_for))
        private.write_bytes(_pem(key))
        return public, private

    def revoke(self, *certificates: Path) -> Path:
        """The list of what is revoked: these, and no others."""
        now = dt.datetime.now(dt.UTC)
        crl = x509.CertificateRevocationListBuilder().issuer_name(_called(self.name))
        crl = crl.last_update(now - dt.timedelta(hours=1)).next_update(now + dt.timedelta(days=1))
        for each in certificates:
            serial = x509.load_pem_x509_certificate(each.read_bytes()).serial_number
            gone = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(now)
            crl = crl.add_revoked_certificate(gone.build())
        path = self.folder / f"{self.name}.crl"
        path.write_bytes(crl.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return path

    def _sign(
        self,
        common_name: str,
        key: ec.EllipticCurvePrivateKey,
        what: x509.BasicConstraints,
        hosts: tuple[str, ...],
        good_for: dt.timedelta = dt.timedelta(days=1),
    ) -> bytes:
        now = dt.datetime.now(dt.UTC)
        names = [*map(x509.DNSName, hosts), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
        return (
            x509.CertificateBuilder()
            .subject_name(_called(common_name))
            .issuer_name(_called(self.name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + good_for)
            .add_extension(what, critical=True)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .sign(self._key, hashes.SHA256())
            .public_bytes(serialization.Encoding.PEM)
        )


def _called(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )

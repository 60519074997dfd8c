"""A time stamping authority on this machine: tokens by openssl, over HTTP, under a root of its own."""

import subprocess
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CONFIG = """
[tsa]
default_tsa = here
[here]
serial = {folder}/serial
crypto_device = builtin
signer_cert = {folder}/tsa.pem
certs = {folder}/tsa.pem
signer_key = {folder}/tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = {digests}
accuracy = secs:1
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


def _name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _certificate(subject, key, issuer, signing_key, *, is_root, usages=(ExtendedKeyUsageOID.TIME_STAMPING,)):
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=is_root, path_length=None), critical=True)
    )
    if not is_root:
        builder = builder.add_extension(x509.ExtendedKeyUsage(usages), critical=True)
    return builder.sign(signing_key, hashes.SHA256())


def _pem(certificate):
    return certificate.public_bytes(serialization.Encoding.PEM)


class Authority:
    """Answers queries; ``roots`` is what it is trusted by. Each answer and query is kept."""

    def __init__(self, folder: Path, *, rsa_key=True, digests="sha256, sha512", usages=None):
        folder.mkdir()
        root_key = ec.generate_private_key(ec.SECP256R1())
        key = rsa.generate_private_key(65537, 2048) if rsa_key else ec.generate_private_key(ec.SECP256R1())
        root = _certificate("Root", root_key, "Root", root_key, is_root=True)
        told = {} if usages is None else {"usages": usages}
        tsa = _certificate("Stamps Ltd", key, "Root", root_key, is_root=False, **told)
        self.roots = folder / "roots.pem"
        self.roots.write_bytes(_pem(root))
        (folder / "tsa.pem").write_bytes(_pem(tsa))
        kept = serialization.NoEncryption()
        encoded = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, kept)
        (folder / "tsa.key").write_bytes(encoded)
        (folder / "serial").write_text("01")
        (folder / "openssl.cnf").write_text(CONFIG.format(folder=folder, digests=digests))
        self.folder, self.answers, self.status = folder, [], 200

    def answer(self, query: bytes) -> bytes:
        """A token for a query."""
        asked, said = self.folder / "query", self.folder / "reply"
        asked.write_bytes(query)
        command = ["openssl", "ts", "-reply", "-config", self.folder / "openssl.cnf", "-queryfile", asked, "-out", said]
        subprocess.run(command, check=True, capture_output=True, timeout=30)
        self.answers.append(said.read_bytes())
        return self.answers[-1]


@contextmanager
def serving(authority):
    """Its address, while it is open."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            query = self.rfile.read(int(self.headers["Content-Length"]))
            said = authority.answer(query) if authority.status == 200 else b"closed"
            self.send_response(authority.status)
            self.send_header("Content-Length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()

"""A server that takes TLS by itself, and speaks to others by TLS alone: Debian's Redis can, and no wheel's server."""

import shutil
import subprocess
from dataclasses import replace
from functools import partial
from pathlib import Path

from tests.support.ports import HOST, free_port
from tests.support.servers.kinds import ServerKind, found_kinds
from tests.support.servers.options import ServerOptions
from tests.support.servers.process import ProcessServer


class Authority:
    """Signs certificates for servers on this machine."""

    def __init__(self, directory: Path) -> None:
        self.certificate = directory / "authority.pem"
        self._directory = directory
        self._key = self._make_key("authority")
        subject = ["-x509", "-subj", "/CN=jobsvalkey tests"]
        self._openssl("req", *subject, "-days", "2", "-key", str(self._key), "-out", str(self.certificate))
        self.key, self.server_certificate = self._sign("server")

    def _make_key(self, name: str) -> Path:
        path = self._directory / f"{name}.key"
        self._openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-out", str(path))
        return path

    def _sign(self, name: str) -> tuple[Path, Path]:
        key, path = self._make_key(name), self._directory / f"{name}.pem"
        names = ["-subj", "/CN=server", "-addext", f"subjectAltName=IP:{HOST}"]
        signed = ["-CA", str(self.certificate), "-CAkey", str(self._key), "-copy_extensions", "copy", "-days", "2"]
        request = self._directory / f"{name}.request"
        self._openssl("req", "-new", *names, "-key", str(key), "-out", str(request))
        self._openssl("x509", "-req", *signed, "-in", str(request), "-out", str(path))
        return key, path

    @staticmethod
    def _openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], check=True, capture_output=True)


class EncryptedServer(ProcessServer):
    """Listens by TLS, and nowhere else but on a socket for the tests, where no certificate has to be looked at."""

    def __init__(self, authority: Authority, kind: str, source: str, binary: Path, options: ServerOptions) -> None:
        files = {
            "tls-ca-cert-file": authority.certificate,
            "tls-cert-file": authority.server_certificate,
            "tls-key-file": authority.key,
        }
        own = {name: str(path) for name, path in files.items()}
        own |= {"tls-auth-clients": "no", "tls-replication": "yes"} | (
            {"tls-cluster": "yes"} if options.is_clustered else {}
        )
        super().__init__(kind, source, binary, replace(options, settings={**options.settings, **own}))
        self._authority = authority

    @property
    def address(self) -> str:
        """The URL without user, password and database."""
        return f"valkeys://{HOST}:{self._port}?ssl_ca_certs={self._authority.certificate}"

    @property
    def control_url(self) -> str:
        """The socket."""
        return f"unix://{self._path / 'server.sock'}"

    def _listening(self) -> list[str]:
        _, port, *bus = super()._listening()
        return ["--port", "0", "--tls-port", port, *bus, "--unixsocket", str(self._path / "server.sock")]


def encrypted_kind(authority: Authority) -> ServerKind | None:
    """The server of this machine that takes TLS by itself, if there is one."""
    binary = shutil.which("redis-server")
    plain = next((kind for kind in found_kinds() if kind.id.startswith("redis")), None)
    if binary is None or plain is None or not takes_tls(binary):
        return None
    return ServerKind(plain.id, plain.source, partial(EncryptedServer, authority, plain.id, plain.source, Path(binary)))


def takes_tls(binary: str) -> bool:
    """Whether a server was built with TLS: then it asks for a certificate."""
    words = [binary, "--port", "0", "--tls-port", str(free_port())]
    asked = subprocess.run(words, capture_output=True, text=True)
    return "No tls-cert-file configured" in asked.stdout

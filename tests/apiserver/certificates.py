"""Certificates of a cluster: the server's own, and those by which clients say who they are."""

import ipaddress
import ssl
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509

from tests.certificates import KeyPair, issue


class Authority:
    """A certificate authority, which signs for servers and for clients."""

    def __init__(self, name: str = "kubernetes") -> None:
        """Make a key and a root certificate."""
        self._root = issue(name)
        self.roots = self._root.pem

    def issue_server(self, host: str) -> KeyPair:
        """A certificate for a server at an IP address."""
        names = [x509.IPAddress(ipaddress.ip_address(host)), x509.DNSName("kubernetes.default.svc")]
        return issue("kube-apiserver", names, self._root)

    def issue_client(self, user: str, groups: Sequence[str] = ()) -> KeyPair:
        """A certificate for a user: Kubernetes reads the name from CN and the groups from O."""
        return issue(user, (), self._root, groups=groups)


class ServerTls:
    """The TLS of a server: its certificate can be replaced, also by one of another authority, while it listens."""

    def __init__(self, host: str, folder: Path) -> None:
        self.authority = Authority()
        self.context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self.context.verify_mode = ssl.CERT_OPTIONAL
        self._host = host
        self._folder = folder
        self.rotate(self.authority)

    def rotate(self, authority: Authority | None = None) -> None:
        """Serve new connections with a new certificate; certificates of clients are accepted from every authority."""
        self.authority = authority or self.authority
        self.context.load_verify_locations(cadata=self.authority.roots.decode())
        pair = self.authority.issue_server(self._host)
        path = self._folder / "server.pem"
        path.write_bytes(pair.pem + pair.key_pem)
        self.context.load_cert_chain(path)

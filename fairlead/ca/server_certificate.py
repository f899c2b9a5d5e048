"""The certificate of the xDS server itself, from the CA of the mesh."""

import datetime as dt
import threading
from collections.abc import Sequence

from fairlead.ca.authority import Authority, Credential
from fairlead.ca.enrolment import Enrolment
from xds.options import Certificates


class ServerCertificate:
    """What the server shows and verifies clients by; renewed when somebody connects and its time has come."""

    def __init__(self, enrolment: Enrolment, names: Sequence[str]) -> None:
        """``names`` are those by which proxies connect: DNS names and addresses."""
        self._enrolment = enrolment
        self._names = tuple(names)
        # gRPC asks from threads of its own.
        self._lock = threading.Lock()
        self._signer: Authority | None = None
        self._credential: Credential | None = None

    def load(self) -> Certificates:
        """What a new connection gets. Raises AuthorityError, which fails the connection alone."""
        with self._lock:
            authority, credential = self._enrolment.authority, self._credential
            if credential is None or self._signer is not authority or credential.renew_at <= dt.datetime.now(dt.UTC):
                credential = self._credential = authority.issue(self._names)
                self._signer = authority
            return Certificates(credential.chain, credential.key, self._enrolment.roots)

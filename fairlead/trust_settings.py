"""What is set about the CA of the mesh and about who is believed; reading it loads nothing that only a CA needs."""

import datetime as dt
from pathlib import Path
from typing import Final

import msgspec

# Of the certificates that are issued.
MAX_LIFETIME: Final = dt.timedelta(days=90)


class TrustError(Exception):
    """What is to be trusted cannot be; the text says why."""


class TrustSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The CA of the mesh, and how clients prove who they are.

    Without ``ca_dir`` nobody gets certificates; ``ca_optional``: nor while it is empty, instead of a CA being made.
    ``tls``: the xDS port speaks TLS, and clients prove who they are: by certificates of the mesh, or by tokens, which
    the keys in ``jwks`` verify, or the API server of a cluster that is followed. Otherwise everybody on this machine
    is believed. ``names``: further names of the control plane in its certificate.
    """

    ca_dir: Path | None = None
    ca_optional: bool = False
    tls: bool = False
    jwks: Path | None = None
    token_audience: str = "istio-ca"  # noqa: S105 - a name
    names: tuple[str, ...] = ()
    lifetime: dt.timedelta = dt.timedelta(hours=24)

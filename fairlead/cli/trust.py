"""The options of ``fairlead serve`` about the CA of the mesh, and about who is believed."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

if TYPE_CHECKING:
    from fairlead.trust_settings import TrustSettings

CaDir = Annotated[
    Path | None,
    typer.Option(
        file_okay=False,
        help="Folder with the CA of the mesh: ca-cert.pem, ca-key.pem, root-cert.pem and perhaps cert-chain.pem; made "
        "with a root of its own if there is none. With it, proxies get certificates and speak mutual TLS.",
    ),
]
CaOptional = Annotated[
    bool,
    typer.Option(
        "--ca-optional",
        help="While nobody has put a CA into --ca-dir, make none: serve as without it, and not on --secure-xds.",
    ),
]
SecureXds = Annotated[
    str,
    typer.Option(
        metavar="HOST:PORT",
        help="Serve xDS on a second address, over TLS, to those that prove who they are, as --tls says. "
        "Needs --ca-dir.",
    ),
]
ServesTls = Annotated[
    bool,
    typer.Option(
        "--tls",
        help="Serve xDS over TLS, to those that prove who they are: by a certificate of the mesh, or with --jwks or "
        "--kubernetes by a token. Needs --ca-dir. Without it, everybody on this machine is believed.",
    ),
]
TlsNames = Annotated[
    str, typer.Option(metavar="NAME,...", help="Further names and addresses of this control plane, for its TLS.")
]
Jwks = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="JSON Web Key Set that verifies service account tokens."),
]
TokenAudience = Annotated[str, typer.Option(help="Whom tokens have to be made for.")]
CertificateLifetime = Annotated[
    str, typer.Option(metavar="DURATION", help="Of the certificates of proxies, which are renewed at about half of it.")
]


class TrustOptions(NamedTuple):
    """What was given on the command line."""

    ca_dir: Path | None
    ca_optional: bool
    secure_xds: str
    tls: bool
    names: str
    jwks: Path | None
    audience: str
    lifetime: str


def trust_settings(options: TrustOptions) -> "TrustSettings":
    """The settings. Raises SettingsError for those that make no sense."""
    from fairlead.settings import SettingsError, parse_lifetime
    from fairlead.trust_settings import TrustSettings

    if options.tls and options.ca_dir is None:
        raise SettingsError("--tls needs the CA that the certificate of the control plane is from: --ca-dir")
    if options.secure_xds and options.ca_dir is None:
        raise SettingsError("--secure-xds needs the CA that the certificate of the control plane is from: --ca-dir")
    if options.secure_xds and options.tls:
        raise SettingsError(
            "--secure-xds is for a control plane whose --xds is in plain text: leave out one of the two"
        )
    if options.ca_optional and (options.ca_dir is None or options.tls):
        raise SettingsError("--ca-optional is about --ca-dir, and --tls cannot do without a CA")
    if options.jwks is not None and not (options.tls or options.secure_xds):
        raise SettingsError("--jwks needs --tls or --secure-xds: tokens are not to be sent in clear text")
    return TrustSettings(
        ca_dir=options.ca_dir,
        ca_optional=options.ca_optional,
        tls=options.tls,
        jwks=options.jwks,
        token_audience=options.audience,
        names=tuple(filter(None, (name.strip() for name in options.names.split(",")))),
        lifetime=parse_lifetime(options.lifetime),
    )

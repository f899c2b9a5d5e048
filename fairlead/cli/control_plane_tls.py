"""The options of ``fairlead bootstrap`` about TLS to the control plane, and about proving who the proxy is."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NamedTuple

import typer

from fairlead.cli.options import fail

if TYPE_CHECKING:
    from fairlead.bootstrap_tls import ControlPlaneTLS

XdsRoots = Annotated[
    Path | None, typer.Option(help="Connect to the control plane over TLS, and verify it by the roots in this file.")
]
XdsName = Annotated[
    str, typer.Option(metavar="NAME", help="Name in the certificate of the control plane, if not that of --xds.")
]
Token = Annotated[
    Path | None, typer.Option(help="File with the token by which the proxy proves who it is; read when it changes.")
]
TokenSecret = Annotated[
    Path, typer.Option(help="Where to write what tells Envoy of --token; it reads this file when it starts.")
]
ClientCert = Annotated[
    Path | None, typer.Option(help="Certificate by which the proxy proves who it is, instead of a token.")
]
ClientKey = Annotated[Path | None, typer.Option(help="Key of --client-cert.")]


class TlsOptions(NamedTuple):
    """What was given on the command line."""

    roots: Path | None
    name: str
    token: Path | None
    token_secret: Path
    certificate: Path | None
    key: Path | None


def control_plane_tls(options: TlsOptions) -> "ControlPlaneTLS | None":
    """How to connect, None for plain text. Writes the file by which Envoy finds a token."""
    from fairlead.bootstrap_tls import ControlPlaneTLS

    if options.roots is None and (options.token or options.certificate):
        fail("--token and --client-cert need --xds-roots: only the control plane is to learn of them")
    if (options.certificate is None) != (options.key is None):
        fail("--client-cert and --client-key belong together")
    if options.roots is None:
        return None
    return ControlPlaneTLS(
        roots=str(options.roots.absolute()),
        name=options.name,
        token_secret=_write_token_secret(options.token, options.token_secret) if options.token else "",
        certificate=str(options.certificate.absolute()) if options.certificate else "",
        key=str(options.key.absolute()) if options.key else "",
    )


def _write_token_secret(token: Path, target: Path) -> str:
    import json

    from fairlead.bootstrap_tls import build_token_secret

    try:
        target.write_text(json.dumps(build_token_secret(str(token.absolute()))) + "\n")
    except OSError as error:
        fail(f"{target} cannot be written: {(error.strerror or str(error)).lower()}")
    return str(target.absolute())

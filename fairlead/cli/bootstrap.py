"""``fairlead bootstrap``: the file with which a stock Envoy joins the mesh."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fairlead.cli.options import (
    CaptureMode,
    ProxyRole,
    TextFormat,
    fail,
    parse_address,
    parse_labels,
    parse_locality,
    print_structured,
)

if TYPE_CHECKING:
    from fairlead.address import Address
    from fairlead.identity import ProxyIdentity


def bootstrap(
    role: Annotated[ProxyRole, typer.Argument(help="The kind of proxy.")],
    *,
    namespace: Annotated[str, typer.Option(help="Namespace of the proxy's pod.")],
    name: Annotated[str, typer.Option(help="Name of the proxy's pod.")],
    ip: Annotated[str, typer.Option(help="IP of the pod; several, separated by commas, if it has several.")],
    labels: Annotated[str, typer.Option(metavar="K=V,...", help="Labels of the pod.")] = "",
    xds: Annotated[str, typer.Option(metavar="HOST:PORT", help="Where the control plane is.")] = "127.0.0.1:15010",
    admin_port: Annotated[int, typer.Option(min=0, max=65535, help="Port of Envoy's own admin interface.")] = 15000,
    capture: Annotated[
        CaptureMode, typer.Option(help="How traffic gets into a sidecar; none: it listens on the service ports.")
    ] = CaptureMode.REDIRECT,
    dns_capture: Annotated[
        bool, typer.Option("--dns-capture", help="The sidecar answers the DNS questions of its workload.")
    ] = False,
    delta: Annotated[
        bool, typer.Option("--delta/--sotw", help="Incremental xDS, or the older state-of-the-world variant.")
    ] = True,
    service_account: Annotated[str, typer.Option(help="Service account of the pod.")] = "default",
    cluster_id: Annotated[str, typer.Option(help="Name of the cluster that the pod is in.")] = "Kubernetes",
    network: Annotated[str, typer.Option(help="Name of the network that the pod is in.")] = "",
    locality: Annotated[str, typer.Option(metavar="REGION/ZONE/SUBZONE", help="Where the pod is.")] = "",
    proxyless: Annotated[
        bool, typer.Option("--proxyless", help="For an application with gRPC's own xDS instead of a sidecar.")
    ] = False,
    xds_roots: Annotated[
        Path | None,
        typer.Option(help="Connect to the control plane over TLS, and verify it by the roots in this file."),
    ] = None,
    xds_name: Annotated[
        str, typer.Option(metavar="NAME", help="Name in the certificate of the control plane, if not that of --xds.")
    ] = "",
    token: Annotated[
        Path | None, typer.Option(help="File with the token by which the proxy proves who it is; read when it changes.")
    ] = None,
    token_secret: Annotated[
        Path, typer.Option(help="Where to write what tells Envoy of --token; it reads this file when it starts.")
    ] = Path("token-sds.json"),
    client_cert: Annotated[
        Path | None, typer.Option(help="Certificate by which the proxy proves who it is, instead of a token.")
    ] = None,
    client_key: Annotated[Path | None, typer.Option(help="Key of --client-cert.")] = None,
    output: Annotated[TextFormat, typer.Option("-o", "--output", help="Format.")] = TextFormat.YAML,
) -> None:
    """Write the bootstrap of an Envoy: `envoy -c FILE` is then all there is to start.

    With --proxyless it is the file that a gRPC application finds by `GRPC_XDS_BOOTSTRAP`.

    `fairlead bootstrap sidecar --namespace shop --name web-1 --ip 10.1.2.3 --labels app=web --xds fairlead:15010`

    `fairlead bootstrap gateway --namespace istio-system --name gw --ip 127.0.0.2 > gw.yaml`

    `... --xds fairlead:15012 --xds-roots root-cert.pem --token /var/run/secrets/tokens/istio-token`
    """
    from fairlead.bootstrap import BootstrapSettings, build_bootstrap
    from fairlead.bootstrap_tls import ControlPlaneTLS
    from fairlead.identity import ProxyIdentity

    if xds_roots is None and (token or client_cert):
        fail("--token and --client-cert need --xds-roots: only the control plane is to learn of them")
    if (client_cert is None) != (client_key is None):
        fail("--client-cert and --client-key belong together")
    tls = None
    if xds_roots is not None:
        tls = ControlPlaneTLS(
            roots=str(xds_roots.absolute()),
            name=xds_name,
            token_secret=_write_token_secret(token, token_secret) if token else "",
            certificate=str(client_cert.absolute()) if client_cert else "",
            key=str(client_key.absolute()) if client_key else "",
        )
    settings = BootstrapSettings(xds=parse_address(xds), admin_port=admin_port, delta=delta, tls=tls)
    try:
        identity = ProxyIdentity(
            role=role.role,
            namespace=namespace,
            name=name,
            addresses=tuple(part.strip() for part in ip.split(",")),
            labels=parse_labels(labels),
            service_account=service_account,
            cluster_id=cluster_id,
            network=network,
            locality=parse_locality(locality),
            capture=capture.capture,
            answers_dns=dns_capture,
        )
    except ValueError as error:
        fail(str(error))
    if proxyless:
        _print_for_grpc(identity, settings.xds)
    else:
        print_structured(build_bootstrap(identity, settings), output)


def _print_for_grpc(identity: "ProxyIdentity", xds: "Address") -> None:
    from fairlead.grpc_bootstrap import build_grpc_bootstrap
    from translator.model.proxy import Role

    if identity.role is not Role.SIDECAR:
        fail("only a sidecar can be left out")
    # gRPC reads no YAML.
    print_structured(build_grpc_bootstrap(identity, xds), TextFormat.JSON)


def _write_token_secret(token: Path, target: Path) -> str:
    """Write the file by which Envoy finds the token; returns its path."""
    import json

    from fairlead.bootstrap_tls import build_token_secret

    try:
        target.write_text(json.dumps(build_token_secret(str(token.absolute()))) + "\n")
    except OSError as error:
        fail(f"{target} cannot be written: {(error.strerror or str(error)).lower()}")
    return str(target.absolute())

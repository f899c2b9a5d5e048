"""``fairlead translate``: what a proxy would get, without any network."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fairlead.cli.options import (
    CaptureMode,
    HeadlessChains,
    ProxyRole,
    ShadowHostSuffix,
    TextFormat,
    fail,
    failing_on,
    parse_labels,
    parse_locality,
    print_structured,
)

if TYPE_CHECKING:
    from fairlead.offline import OfflineMesh
    from translator.view import View
    from xds.types import TypeUrl

# RFC 5737: an address that is nobody's.
_NOBODY = "192.0.2.1"


def translate(
    role: Annotated[ProxyRole, typer.Argument(help="The kind of proxy.")],
    *,
    config_dir: Annotated[Path, typer.Option(exists=True, help="Folder (or one file) of YAML and JSON.")],
    namespace: Annotated[str, typer.Option(help="Namespace of the proxy's pod.")],
    name: Annotated[str, typer.Option(help="Name of the pod; one of the folder's Pods brings its IP and labels.")] = "",
    ip: Annotated[str, typer.Option(help="IP of the pod; several, separated by commas, if it has several.")] = "",
    labels: Annotated[str, typer.Option(metavar="K=V,...", help="Labels of the pod.")] = "",
    capture: Annotated[
        CaptureMode, typer.Option(help="How traffic gets into a sidecar; none: it listens on the service ports.")
    ] = CaptureMode.REDIRECT,
    service_account: Annotated[str, typer.Option(help="Service account of the pod.")] = "default",
    cluster_id: Annotated[str, typer.Option(help="Name of the cluster that the pod is in.")] = "Kubernetes",
    network: Annotated[str, typer.Option(help="Name of the network that the pod is in.")] = "",
    locality: Annotated[str, typer.Option(metavar="REGION/ZONE/SUBZONE", help="Where the pod is.")] = "",
    types: Annotated[str, typer.Option("--type", metavar="cds,eds,lds,rds,sds", help="Only these types.")] = "",
    mesh_config: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Istio's MeshConfig, as a YAML file.")
    ] = None,
    shadow_host_suffix: ShadowHostSuffix = False,
    headless_chains: HeadlessChains = False,
    output: Annotated[TextFormat, typer.Option("-o", "--output", help="Format.")] = TextFormat.JSON,
) -> None:
    """Print the Envoy resources that a proxy would get: {type: [resource, ...]} in proto JSON.

    `fairlead translate --config-dir mesh/ sidecar --namespace shop --name web-1`

    `fairlead translate --config-dir mesh/ gateway --namespace istio-system --labels istio=ingressgateway --type rds`

    What is wrong with the folder goes to standard error, and the exit code is then 1.
    """
    from fairlead.identity import ProxyIdentity
    from fairlead.offline import OfflineMesh, read_paths
    from fairlead.proto_json import render_view
    from fairlead.settings import MeshFlags, SettingsError, load_settings

    wanted = _parse_types(types)
    with failing_on(SettingsError, OSError, code=1):
        settings = load_settings(mesh_config, MeshFlags(shadow_host_suffix, headless_chains))
        mesh = OfflineMesh(settings, read_paths([config_dir]))
    pod_name = name or role.value
    try:
        identity = ProxyIdentity(
            role=role.role,
            namespace=namespace,
            name=pod_name,
            addresses=tuple(part.strip() for part in (ip or mesh.pod_ip(namespace, pod_name) or _NOBODY).split(",")),
            labels=parse_labels(labels),
            service_account=service_account,
            cluster_id=cluster_id,
            network=network,
            locality=parse_locality(locality),
            capture=capture.capture,
        )
    except ValueError as error:
        fail(str(error))
    view = mesh.view_of(identity)
    print_structured(render_view(view, wanted), output)
    if _report(mesh, view):
        raise typer.Exit(1)


def _parse_types(text: str) -> "list[TypeUrl]":
    from fairlead.proto_json import SERVED_TYPES

    # Secrets only for those who ask for them.
    default = [name for name in SERVED_TYPES if name != "sds"]
    names = [part.strip().lower() for part in text.split(",")] if text else default
    unknown = [name for name in names if name not in SERVED_TYPES]
    if unknown:
        raise typer.BadParameter(f"unknown type {unknown[0]!r} (known: {', '.join(SERVED_TYPES)})", param_hint="--type")
    return [SERVED_TYPES[name] for name in names]


def _report(mesh: "OfflineMesh", view: "View") -> bool:
    """Say on standard error what is wrong; returns whether there was an error."""
    from translator.diagnostics import Severity
    from xds.types import short_name

    errors = [finding for finding in mesh.findings if finding.severity is Severity.ERROR]
    for finding in sorted(errors, key=lambda each: each.rank):
        typer.secho(str(finding), err=True, fg=typer.colors.RED)
    for failure in view.failures:
        what = " ".join(filter(None, (short_name(failure.type_url), failure.name, failure.part)))
        typer.secho(f"{what} cannot be built: {failure.error.__cause__!r}", err=True, fg=typer.colors.RED)
    return bool(errors or view.failures)

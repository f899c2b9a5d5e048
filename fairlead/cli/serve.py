"""``fairlead serve``: the control plane."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fairlead.cli.kubernetes import (
    ClusterId,
    ClusterOptions,
    Contexts,
    FollowKubernetes,
    InCluster,
    Kubeconfig,
    RootNamespace,
    WriteStatus,
    cluster_settings,
)
from fairlead.cli.options import HeadlessChains, ShadowHostSuffix, fail, failing_on, parse_address
from fairlead.cli.trust import (
    CaDir,
    CaOptional,
    CertificateLifetime,
    Jwks,
    SecureXds,
    ServesTls,
    TlsNames,
    TokenAudience,
    TrustOptions,
    trust_settings,
)

if TYPE_CHECKING:
    from fairlead.settings import ServeSettings

ConfigDir = Annotated[
    Path | None,
    typer.Option(exists=True, file_okay=False, help="Folder of YAML and JSON files, followed while it runs."),
]
XdsAddress = Annotated[
    str, typer.Option(metavar="HOST:PORT", help="Where Envoys connect to; :15010 for every interface.")
]
AdminAddress = Annotated[
    str, typer.Option(metavar="HOST:PORT", help="Where readiness, metrics and debug pages are served.")
]
MeshConfigFile = Annotated[
    Path | None,
    typer.Option(
        exists=True, dir_okay=False, help="Istio's MeshConfig, or the ConfigMap that holds it, as a YAML file."
    ),
]
Workers = Annotated[
    int, typer.Option(min=1, metavar="N", help="Processes that share the xDS port, each with its own proxies.")
]
PlaintextSecrets = Annotated[
    bool,
    typer.Option(
        "--plaintext-secrets",
        help="Serve gateways their certificates also where other machines reach the xDS port; "
        "nobody has to prove there that it is the gateway.",
    ),
]


def serve(
    *,
    config_dir: ConfigDir = None,
    kubernetes: FollowKubernetes = False,
    kubeconfig: Kubeconfig = "",
    context: Contexts = None,
    in_cluster: InCluster = False,
    cluster_id: ClusterId = "Kubernetes",
    root_namespace: RootNamespace = "istio-system",
    write_status: WriteStatus = True,
    xds: XdsAddress = "127.0.0.1:15010",
    admin: AdminAddress = "127.0.0.1:15014",
    mesh_config: MeshConfigFile = None,
    plaintext_secrets: PlaintextSecrets = False,
    ca_dir: CaDir = None,
    ca_optional: CaOptional = False,
    secure_xds: SecureXds = "",
    tls: ServesTls = False,
    tls_names: TlsNames = "",
    jwks: Jwks = None,
    token_audience: TokenAudience = "istio-ca",  # noqa: S107 - a name
    certificate_lifetime: CertificateLifetime = "24h",
    shadow_host_suffix: ShadowHostSuffix = False,
    headless_chains: HeadlessChains = False,
    workers: Workers = 1,
    max_file_size: Annotated[int, typer.Option(min=1, metavar="MIB", help="Larger files are refused.")] = 32,
) -> None:
    """Follow a cluster, or a folder of YAML, and serve what it says to Envoys over xDS.

    `fairlead serve --kubernetes`, or `... --kubernetes --kubeconfig ~/.kube/config --context east --context west`

    `fairlead serve --config-dir mesh/ --xds :15010 --admin :15014 --mesh-config meshconfig.yaml`

    `fairlead serve --config-dir mesh/ --ca-dir ca/`: mutual TLS; with `--secure-xds :15012` beyond this machine

    Logs go to standard error: readable on a terminal, JSON otherwise. SIGTERM and Ctrl-C end it in order.
    """
    from fairlead.settings import MeshFlags, ServeSettings, SettingsError, load_settings

    clusters = ClusterOptions(
        kubernetes, kubeconfig, context or (), in_cluster, cluster_id, root_namespace, mesh_config, write_status
    )
    trust = TrustOptions(ca_dir, ca_optional, secure_xds, tls, tls_names, jwks, token_audience, certificate_lifetime)
    if clusters.are_given == (config_dir is not None):
        fail("say what to follow: either a cluster with --kubernetes, or a folder with --config-dir")
    with failing_on(SettingsError, code=1):
        settings = ServeSettings(
            config_dir=config_dir,
            kubernetes=cluster_settings(clusters) if clusters.are_given else None,
            xds=parse_address(xds),
            secure_xds=parse_address(secure_xds) if secure_xds else None,
            admin=parse_address(admin),
            mesh_file=mesh_config if config_dir else None,
            mesh=load_settings(mesh_config, MeshFlags(shadow_host_suffix, headless_chains), cluster_id=cluster_id),
            file_limit=max_file_size << 20,
            plaintext_secrets=plaintext_secrets,
            workers=workers,
            trust=trust_settings(trust),
        )
    _run(settings)


def _run(settings: "ServeSettings") -> None:
    """Serve until told to stop."""
    from fairlead.memory import bulk_work

    # Of what is imported nothing is garbage.
    with bulk_work():
        from fairlead.app import ListenError, run_control_plane
        from fairlead.logs import configure_logging, stderr
        from fairlead.sources.kubernetes.access import AccessError
        from fairlead.trust_settings import TrustError
        from fairlead.workers.supervisor import WorkerError, run_supervisor

    configure_logging(stderr())
    try:
        if settings.workers > 1:
            run_supervisor(settings)
        else:
            run_control_plane(settings)
    except (ListenError, WorkerError) as error:
        fail(str(error))
    except (AccessError, TrustError) as error:
        fail(str(error), code=1)

"""The options that say which clusters to follow, and what they amount to."""

import os
from collections.abc import Sequence
from pathlib import Path
from socket import gethostname
from typing import TYPE_CHECKING, Annotated, NamedTuple
from uuid import uuid4

import typer

from fairlead.cli.options import fail

if TYPE_CHECKING:
    from fairlead.settings import KubernetesSettings
    from fairlead.sources.kubernetes.access import ClusterAccess

_PANEL = "Kubernetes"

FollowKubernetes = Annotated[
    bool,
    typer.Option(
        "--kubernetes",
        rich_help_panel=_PANEL,
        help="Follow a cluster's API server instead of a folder: by --kubeconfig, by the default kubeconfig, "
        "or inside a pod by its service account.",
    ),
]
Kubeconfig = Annotated[
    str,
    typer.Option(rich_help_panel=_PANEL, metavar="FILE", help="As kubectl's; otherwise $KUBECONFIG or ~/.kube/config."),
]
Contexts = Annotated[
    list[str] | None,
    typer.Option(
        "--context",
        rich_help_panel=_PANEL,
        metavar="NAME",
        help="Context of the kubeconfig. Repeat it for several clusters: the first holds the configuration, of the "
        "others the services and endpoints are merged in, under the names of their contexts.",
    ),
]
InCluster = Annotated[
    bool,
    typer.Option("--in-cluster", rich_help_panel=_PANEL, help="Use the service account of the pod this runs in."),
]
ClusterId = Annotated[
    str,
    typer.Option(rich_help_panel=_PANEL, metavar="NAME", help="Name of the first cluster, as proxies say it."),
]
RootNamespace = Annotated[
    str,
    typer.Option(
        rich_help_panel=_PANEL,
        metavar="NAMESPACE",
        help="Where the ConfigMap istio with MeshConfig is, the Secrets of remote clusters and the Lease.",
    ),
]


WriteStatus = Annotated[
    bool,
    typer.Option(
        "--write-status/--no-write-status",
        rich_help_panel=_PANEL,
        help="Say in the status of each mesh object whether it is in force, and who rejects it; of several replicas "
        "one does.",
    ),
]


class ClusterOptions(NamedTuple):
    """The options of the command line."""

    kubernetes: bool
    kubeconfig: str
    contexts: Sequence[str]
    in_cluster: bool
    cluster_id: str
    root_namespace: str
    mesh_config: Path | None
    write_status: bool

    @property
    def are_given(self) -> bool:
        """Whether any of them asks for a cluster."""
        return self.kubernetes or bool(self.kubeconfig) or bool(self.contexts) or self.in_cluster


def cluster_settings(options: ClusterOptions) -> "KubernetesSettings":
    """What the options amount to. Raises SettingsError; ends the program for options that contradict each other."""
    from fairlead.settings import KubernetesSettings, load_mesh, load_mesh_documents
    from fairlead.sources.kubernetes.access import KubeconfigAccess
    from translator.objects.mesh_networks import MeshNetworks

    if options.in_cluster and (options.kubeconfig or options.contexts):
        fail("--in-cluster uses the pod's service account: it does not go together with --kubeconfig or --context")
    first, *rest = options.contexts or [""]
    if len({first, *rest}) < len(rest) + 1 or options.cluster_id in rest:
        fail("each --context is a cluster of its own: no two may have the same name, nor that of --cluster-id")
    return KubernetesSettings(
        primary=_primary(options, first),
        others={name: KubeconfigAccess(path=options.kubeconfig, context=name) for name in rest},
        cluster_id=options.cluster_id,
        root_namespace=options.root_namespace,
        mesh_config=dict(load_mesh_documents(options.mesh_config).mesh) if options.mesh_config else {},
        networks=load_mesh(options.mesh_config)[1] if options.mesh_config else MeshNetworks(),
        writes_status=options.write_status,
        # Two processes of one machine are two replicas.
        identity=f"{os.environ.get('POD_NAME') or gethostname()}_{uuid4().hex[:8]}",
    )


def _primary(options: ClusterOptions, context: str) -> "ClusterAccess":
    from fairlead.sources.kubernetes.access import KubeconfigAccess, PodAccess, default_kubeconfig

    in_pod = bool(os.environ.get("KUBERNETES_SERVICE_HOST"))
    files = default_kubeconfig().split(os.pathsep)
    has_kubeconfig = options.kubeconfig or context or any(Path(each).is_file() for each in files if each)
    if options.in_cluster or (in_pod and not has_kubeconfig):
        return PodAccess()
    return KubeconfigAccess(path=options.kubeconfig, context=context)

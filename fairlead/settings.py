"""The settings of a control plane, and where they come from."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from fairlead.address import Address
from fairlead.mesh_config import MeshDocuments, read_mesh_config, read_mesh_documents, read_mesh_networks
from fairlead.sources.folder import DEFAULT_FILE_LIMIT
from fairlead.sources.kubernetes.access import ClusterAccess
from fairlead.sources.yaml_reader import YamlError
from fairlead.trust_settings import MAX_LIFETIME, TrustSettings
from translator.objects.duration import Duration
from translator.objects.mesh_config import MeshConfig
from translator.objects.mesh_networks import MeshNetworks
from translator.settings import Settings


class SettingsError(Exception):
    """A setting is wrong; the text says which and why."""


class KubernetesSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which clusters are followed, and what this replica writes to the first of them.

    ``primary`` holds the configuration of the mesh, under the name ``cluster_id``; ``others`` are by their names.
    ``mesh_config`` is the document over which the ConfigMap in ``root_namespace`` is laid, ``networks`` are what holds
    where it names none. Other clusters are waited for ``sync_timeout`` seconds at the start.

    Unless ``writes_status`` is False, the replica that holds the Lease writes statuses, of each object every
    ``status_interval`` seconds at most. ``identity`` is who this replica is.
    """

    primary: ClusterAccess
    others: dict[str, ClusterAccess] = {}
    cluster_id: str = "Kubernetes"
    root_namespace: str = "istio-system"
    mesh_config: dict[str, Any] = {}
    networks: MeshNetworks = MeshNetworks()
    sync_timeout: float = 30.0
    writes_status: bool = True
    identity: str = "fairlead"
    lease_duration: float = 20.0
    status_interval: float = 10.0


class ServeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that ``fairlead serve`` can be told.

    The objects come from ``config_dir`` or from ``kubernetes``; ``mesh_file`` holds the settings of the mesh, and is
    followed beside a folder.
    ``workers`` is how many processes serve proxies; ``worker`` is the number of this one if it is one of several.
    ``secure_xds``: a second address for xDS, where TLS is spoken and proxies have to prove who they are.
    ``plaintext_secrets``: give Secrets to proxies although anybody on the network can claim to be one.
    """

    config_dir: Path | None = None
    kubernetes: KubernetesSettings | None = None
    xds: Address = Address("127.0.0.1", 15010)
    secure_xds: Address | None = None
    admin: Address = Address("127.0.0.1", 15014)
    mesh: Settings = Settings()
    mesh_file: Path | None = None
    file_limit: int = DEFAULT_FILE_LIMIT
    grace: float = 5.0
    plaintext_secrets: bool = False
    workers: int = 1
    worker: int | None = None

    @property
    def shares_port(self) -> bool:
        """Whether this process is one of several that listen on the xDS port."""
        return self.worker is not None

    trust: TrustSettings = TrustSettings()

    @property
    def own_namespace(self) -> str:
        """The namespace that the control plane is in, if it is in Kubernetes."""
        return self.kubernetes.root_namespace if self.kubernetes else self.mesh.mesh.root_namespace

    @property
    def discloses_secrets(self) -> bool:
        """Whether gateways that connect to the first address get their certificates; at the second they always do.

        Istio gives Secrets only to proxies that proved who they are. Where proxies prove nothing, being on the same
        machine has to do, or the word of whoever runs this.
        """
        return self.plaintext_secrets or self.trust.tls or self.xds.is_loopback


class MeshFlags(msgspec.Struct, frozen=True):
    """What Istio has as flags of its control plane, not in MeshConfig; see ``Settings``."""

    shadow_host_suffix: bool = False
    headless_chains: bool = False


_NO_FLAGS = MeshFlags()


def load_settings(
    mesh_config: Path | None, flags: MeshFlags = _NO_FLAGS, *, cluster_id: str = "Kubernetes"
) -> Settings:
    """The mesh-wide settings, with those from a file if there is one. Raises SettingsError."""
    mesh, networks = load_mesh(mesh_config) if mesh_config else (MeshConfig(), MeshNetworks())
    return Settings(
        mesh=mesh,
        networks=networks,
        shadow_host_suffix=flags.shadow_host_suffix,
        headless_chains=flags.headless_chains,
        cluster_id=cluster_id,
    )


def load_mesh(path: Path) -> tuple[MeshConfig, MeshNetworks]:
    """Istio's MeshConfig and MeshNetworks from a YAML file. Raises SettingsError with every fault."""
    documents = load_mesh_documents(path)
    mesh, faults = read_mesh_config(documents.mesh)
    networks, more = read_mesh_networks(documents.networks)
    if mesh is None or networks is None:
        raise SettingsError("\n".join(f"{path}: {fault}" for fault in (*faults, *more)))
    return mesh, networks


def load_mesh_documents(path: Path) -> MeshDocuments:
    """The same as they were written. Raises SettingsError."""
    try:
        return read_mesh_documents(path.read_bytes())
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {(error.strerror or str(error)).lower()}") from error
    except YamlError as error:
        raise SettingsError(f"{path}:{error.line}: {error.reason}") from error


def parse_lifetime(text: str) -> timedelta:
    """How long certificates are to be valid. Raises SettingsError."""
    try:
        lifetime = timedelta(microseconds=Duration.parse(text) / 1000)
    except ValueError as error:
        raise SettingsError(f"--certificate-lifetime: {error}") from error
    if not timedelta(seconds=1) <= lifetime <= MAX_LIFETIME:
        raise SettingsError(f"--certificate-lifetime: {text} is not between 1s and {MAX_LIFETIME.days} days")
    return lifetime

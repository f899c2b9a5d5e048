"""The mesh-wide settings that translation depends on."""

import msgspec

from translator.objects.mesh_config import MeshConfig
from translator.objects.mesh_networks import MeshNetworks


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """Mesh-wide settings: Istio's MeshConfig, its MeshNetworks, and what lives beside them in an Istio installation.

    ``cluster_id`` names the cluster whose objects the store holds; ``domain_suffix`` is the DNS suffix of
    its Kubernetes services. ``system_roots`` is where proxies find the roots of trust of their system, which Envoy
    cannot find by itself; the default is the place in its official images (Debian). ``discloses_secrets`` is whether
    proxies get what Secrets hold; ``issues_certificates`` whether those that prove who they are get certificates of
    the mesh. ``shadow_host_suffix``: the Host of mirrored requests ends in ``-shadow``, as before
    Istio 1.28 and as Envoy does by itself. ``headless_chains``: the endpoints of a TCP port of headless services share
    a listener.
    """

    mesh: MeshConfig = MeshConfig()
    networks: MeshNetworks = MeshNetworks()
    cluster_id: str = "Kubernetes"
    domain_suffix: str = "cluster.local"
    system_roots: str = "/etc/ssl/certs/ca-certificates.crt"
    discloses_secrets: bool = True
    issues_certificates: bool = True
    shadow_host_suffix: bool = False
    headless_chains: bool = False

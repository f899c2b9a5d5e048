"""Who an Envoy says it is: the Node that ``fairlead bootstrap`` writes and ``fairlead translate`` pretends to see."""

from collections.abc import Mapping
from ipaddress import ip_address
from typing import Any, Final

import msgspec

from translator.model.proxy import Capture, Role

STATUS_PORT: Final = 15021
PROMETHEUS_PORT: Final = 15090


class ProxyIdentity(msgspec.Struct, frozen=True, kw_only=True):
    """What a proxy is told about itself.

    ``locality`` is ``region/zone/subzone``, from the left, as far as known; an ``unprivileged`` proxy may not listen on
    ports below 1024. ``answers_dns``: it answers the DNS questions of its workload, also for services whose addresses
    were allocated.
    """

    role: Role
    namespace: str
    name: str
    addresses: tuple[str, ...]
    labels: Mapping[str, str] = {}
    service_account: str = "default"
    cluster_id: str = "Kubernetes"
    network: str = ""
    locality: tuple[str, ...] = ()
    capture: Capture = Capture.REDIRECT
    unprivileged: bool = False
    answers_dns: bool = False
    domain_suffix: str = "cluster.local"

    def __post_init__(self) -> None:
        """Raise ValueError for what no control plane could make sense of."""
        if not self.addresses:
            raise ValueError("a proxy needs an IP address")
        for address in self.addresses:
            ip_address(address)
        for field, value in (("namespace", self.namespace), ("name", self.name)):
            if not value or "~" in value:
                raise ValueError(f"{value!r} is no {field} of a proxy")

    @property
    def node_id(self) -> str:
        """Istio: ``type~ip~name.namespace~dnsDomain``."""
        domain = f"{self.namespace}.svc.{self.domain_suffix}"
        return f"{self.role}~{self.addresses[0]}~{self.name}.{self.namespace}~{domain}"

    @property
    def workload(self) -> str:
        """The application that the proxy belongs to."""
        labels = self.labels
        return labels.get("app.kubernetes.io/name") or labels.get("app") or self.name

    @property
    def node_cluster(self) -> str:
        """Envoy's ``service-cluster``. Istio: ``application.namespace``."""
        return f"{self.workload}.{self.namespace}"

    def metadata(self) -> dict[str, Any]:
        """The Node's metadata. Istio: everything but labels is a string."""
        known = {
            "NAMESPACE": self.namespace,
            "SERVICE_ACCOUNT": self.service_account,
            "WORKLOAD_NAME": self.workload,
            "CLUSTER_ID": self.cluster_id,
            "NETWORK": self.network,
            "INSTANCE_IPS": ",".join(self.addresses),
            # A gateway's traffic is addressed to it: there is nothing to capture.
            "INTERCEPTION_MODE": self.capture.value if self.role is Role.SIDECAR else "",
            "UNPRIVILEGED_POD": "true" if self.unprivileged else "",
            "DNS_CAPTURE": "true" if self.answers_dns else "",
            "ENVOY_STATUS_PORT": str(STATUS_PORT),
            "ENVOY_PROMETHEUS_PORT": str(PROMETHEUS_PORT),
            "LABELS": dict(sorted(self.labels.items())),
        }
        return {key: value for key, value in known.items() if value}

    def node(self) -> dict[str, Any]:
        """The Node in proto JSON."""
        node: dict[str, Any] = {"id": self.node_id, "cluster": self.node_cluster, "metadata": self.metadata()}
        if self.locality:
            node["locality"] = dict(zip(("region", "zone", "sub_zone"), self.locality, strict=False))
        return node

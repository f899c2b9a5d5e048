"""The kinds that are served: built in, or installed at run time by a CustomResourceDefinition."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from tests.apiserver.document import Document

_ALL_VERBS: Final = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@dataclass(frozen=True, slots=True)
class ServedKind:
    """A kind of objects; ``versions`` has the preferred one first."""

    group: str
    versions: tuple[str, ...]
    kind: str
    plural: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = _ALL_VERBS
    # Whether metadata.generation counts the changes of what the user wants.
    generations: bool = False
    # Whether an update may come without a resourceVersion, and may create.
    unconditional_update: bool = True
    create_on_update: bool = False
    # Of a CustomResourceDefinition: per version the structural schema and the columns of "kubectl get".
    custom: bool = False
    schemas: Mapping[str, Document] = field(default_factory=dict)
    columns: Mapping[str, tuple[Document, ...]] = field(default_factory=dict)

    @property
    def table(self) -> tuple[str, str]:
        """Where its objects are stored."""
        return self.group, self.plural

    @property
    def has_status(self) -> bool:
        """Whether the status is written through a subresource only."""
        return "status" in self.subresources

    def api_version(self, version: str) -> str:
        """The value of ``apiVersion``."""
        return f"{self.group}/{version}" if self.group else version


_STATUS: Final = ("status",)
_SCALE: Final = ("scale", "status")
_REVIEW: Final = ("create",)
_AUTHORIZATION: Final = "authorization.k8s.io"
_AUTHENTICATION: Final = "authentication.k8s.io"
_RBAC: Final = "rbac.authorization.k8s.io"
_WEBHOOKS: Final = "admissionregistration.k8s.io"
_IN_ALL: Final = ("all",)
_IN_EXTENSIONS: Final = ("api-extensions",)


def _served(group: str, kind: str, plural: str, *short_names: str, **more: Any) -> ServedKind:  # noqa: ANN401
    return ServedKind(group, more.pop("versions", ("v1",)), kind, plural, short_names=short_names, **more)


def _cluster_wide(group: str, kind: str, plural: str, *short_names: str, **more: Any) -> ServedKind:  # noqa: ANN401
    return _served(group, kind, plural, *short_names, namespaced=False, **more)


def _workload(kind: str, plural: str, short_name: str, subresources: tuple[str, ...] = _SCALE) -> ServedKind:
    more = {"categories": _IN_ALL, "subresources": subresources, "generations": True}
    return _served("apps", kind, plural, short_name, **more)


BUILT_IN: Final = (
    _cluster_wide("", "Namespace", "namespaces", "ns", subresources=("finalize", "status")),
    _cluster_wide("", "Node", "nodes", "no", subresources=_STATUS),
    _served("", "Pod", "pods", "po", categories=_IN_ALL, subresources=_STATUS, generations=True),
    _served("", "Service", "services", "svc", categories=_IN_ALL, subresources=_STATUS),
    _served("", "Endpoints", "endpoints", "ep"),
    _served("", "Secret", "secrets"),
    _served("", "ConfigMap", "configmaps", "cm"),
    _served("", "ServiceAccount", "serviceaccounts", "sa", subresources=("token",)),
    _served("", "Event", "events", "ev", create_on_update=True),
    _workload("Deployment", "deployments", "deploy"),
    _workload("ReplicaSet", "replicasets", "rs"),
    _workload("StatefulSet", "statefulsets", "sts"),
    _workload("DaemonSet", "daemonsets", "ds", _STATUS),
    _served("batch", "Job", "jobs", categories=_IN_ALL, subresources=_STATUS, generations=True),
    _served("discovery.k8s.io", "EndpointSlice", "endpointslices", generations=True),
    _served("events.k8s.io", "Event", "events", "ev", create_on_update=True),
    _served("coordination.k8s.io", "Lease", "leases", unconditional_update=False, create_on_update=True),
    _served("policy", "PodDisruptionBudget", "poddisruptionbudgets", "pdb", subresources=_STATUS, generations=True),
    _served(
        "autoscaling",
        "HorizontalPodAutoscaler",
        "horizontalpodautoscalers",
        "hpa",
        versions=("v2", "v1"),
        categories=_IN_ALL,
        subresources=_STATUS,
    ),
    _served("networking.k8s.io", "NetworkPolicy", "networkpolicies", "netpol", generations=True),
    _served("networking.k8s.io", "Ingress", "ingresses", "ing", subresources=_STATUS, generations=True),
    _cluster_wide("networking.k8s.io", "IngressClass", "ingressclasses", generations=True),
    _cluster_wide(_RBAC, "ClusterRole", "clusterroles"),
    _cluster_wide(_RBAC, "ClusterRoleBinding", "clusterrolebindings"),
    _served(_RBAC, "Role", "roles"),
    _served(_RBAC, "RoleBinding", "rolebindings"),
    _cluster_wide(
        "apiextensions.k8s.io",
        "CustomResourceDefinition",
        "customresourcedefinitions",
        "crd",
        "crds",
        categories=_IN_EXTENSIONS,
        subresources=_STATUS,
        generations=True,
    ),
    *(
        _cluster_wide(_WEBHOOKS, kind, f"{kind.lower()}s", categories=_IN_EXTENSIONS, generations=True)
        for kind in ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
    ),
    _cluster_wide(_AUTHENTICATION, "TokenReview", "tokenreviews", verbs=_REVIEW),
    _cluster_wide(_AUTHENTICATION, "SelfSubjectReview", "selfsubjectreviews", verbs=_REVIEW),
    _cluster_wide(_AUTHORIZATION, "SubjectAccessReview", "subjectaccessreviews", verbs=_REVIEW),
    _cluster_wide(_AUTHORIZATION, "SelfSubjectAccessReview", "selfsubjectaccessreviews", verbs=_REVIEW),
)


class KindRegistry:
    """The kinds that are served at the moment."""

    def __init__(self) -> None:
        self._kinds = {kind.table: kind for kind in BUILT_IN}

    def __iter__(self) -> Iterator[ServedKind]:
        """All kinds, built-in ones first."""
        return iter(self._kinds.values())

    def find(self, group: str, version: str, plural: str) -> ServedKind | None:
        """The kind behind a path."""
        kind = self._kinds.get((group, plural))
        return kind if kind and version in kind.versions else None

    def by_kind(self, api_version: str, name: str) -> ServedKind | None:
        """The kind that ``apiVersion`` and ``kind`` of a document name."""
        group, _, version = api_version.rpartition("/")
        for kind in self._kinds.values():
            if kind.group == group and kind.kind == name and version in kind.versions:
                return kind
        return None

    def groups(self) -> dict[str, list[str]]:
        """The groups with their versions, the preferred one first."""
        found: dict[str, list[str]] = {}
        for kind in self._kinds.values():
            versions = found.setdefault(kind.group, [])
            versions += [version for version in kind.versions if version not in versions]
        return found

    def install(self, definition: Document) -> None:
        """Serve what a CustomResourceDefinition defines, in place of what it defined before."""
        kind = read_definition(definition)
        if kind.versions:
            self._kinds[kind.table] = kind
        else:
            self._kinds.pop(kind.table, None)

    def remove(self, definition: Document) -> None:
        """Serve it no longer."""
        spec = definition["spec"]
        self._kinds.pop((spec["group"], spec["names"]["plural"]), None)


def read_definition(definition: Document) -> ServedKind:
    """The kind that a CustomResourceDefinition defines."""
    spec = definition["spec"]
    names = spec["names"]
    served = sorted((version for version in spec["versions"] if version.get("served")), key=_priority)
    subresources = {name for version in served for name in version.get("subresources") or {}}
    return ServedKind(
        spec["group"],
        tuple(version["name"] for version in served),
        names["kind"],
        names["plural"],
        namespaced=spec["scope"] == "Namespaced",
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=tuple(sorted(subresources)),
        generations=True,
        unconditional_update=False,
        custom=True,
        schemas={version["name"]: _schema(version) for version in served},
        columns={version["name"]: tuple(version.get("additionalPrinterColumns") or ()) for version in served},
    )


def _schema(version: Mapping[str, Any]) -> Document:
    return dict((version.get("schema") or {}).get("openAPIV3Schema") or {})


def _priority(version: Mapping[str, Any]) -> tuple[int, int, int, str]:
    """Kubernetes: stable versions first, then beta, then alpha, higher numbers first; then all other names."""
    name = version["name"]
    digits, separator, rest = name[1:].replace("beta", " 1 ").replace("alpha", " 2 ").partition(" ")
    if not name.startswith("v") or not digits.isdigit():
        return 3, 0, 0, name
    if not separator:
        return 0, -int(digits), 0, name
    rank, _, number = rest.partition(" ")
    return int(rank), -int(digits), -int(number or 0), name

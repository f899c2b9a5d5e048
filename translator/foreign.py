"""Documents of kinds that are not read: which are nobody's mistake, and which are a slip of the pen."""

from typing import Final

from translator.diagnostics import Severity, Violation
from translator.objects.gateway_api import GROUP
from translator.objects.registry import KINDS, KindSpec
from translator.shape import suggest

# Kinds of Kubernetes' core group that do not shape a mesh; its other groups are told by their names.
_CORE_KINDS: Final = frozenset(
    {
        "Binding",
        "ComponentStatus",
        "Endpoints",
        "Event",
        "LimitRange",
        "PersistentVolume",
        "PersistentVolumeClaim",
        "PodTemplate",
        "ReplicationController",
        "ResourceQuota",
        "ServiceAccount",
    }
)
_KUBERNETES_GROUPS: Final = frozenset({"apps", "autoscaling", "batch", "extensions", "policy"})
_INGRESS: Final = ("networking.k8s.io", "Ingress")


def judge_foreign(api_version: str, kind: str) -> Violation | None:
    """What to tell about a document whose kind is not read: an ERROR if the user must have meant another kind.

    None: a kind of Kubernetes that has no part in a mesh.
    """
    group, _, version = api_version.rpartition("/")
    peers = [spec for spec in KINDS if spec.group == group]
    if (group, kind) == _INGRESS or (group == GROUP and all(spec.kind.bare != kind for spec in peers)):
        return Violation("kind", f"{kind} of {group} is not translated yet", Severity.WARNING)
    if any(spec.kind.bare == kind for spec in peers):
        served = next(spec.versions for spec in peers if spec.kind.bare == kind)
        return Violation(
            "apiVersion", f"version {version!r} of {kind} is not served; use {_api_version(group, served)}"
        )
    if group.endswith(".istio.io") and peers:
        return Violation("kind", f"unknown kind {kind!r} in {group}{_suggest_kind(kind, peers)}")
    if not group:
        return _judge_core(kind, peers)
    if group in _KUBERNETES_GROUPS or group.endswith(".k8s.io"):
        return None
    return _judge_group(group, kind)


def _judge_core(kind: str, peers: list[KindSpec]) -> Violation | None:
    if kind in _CORE_KINDS:
        return None
    home = next((spec for spec in KINDS if spec.kind.bare == kind), None)
    if home is not None:
        return Violation("apiVersion", f"{kind} belongs to {_api_version(home.group, home.versions)}")
    known = sorted({*_CORE_KINDS, *(spec.kind.bare for spec in peers)})
    return Violation("kind", f"unknown kind {kind!r} in v1{suggest(kind, known)}")


def _judge_group(group: str, kind: str) -> Violation:
    meant = suggest(group, sorted({spec.group for spec in KINDS if spec.group}))
    if meant and any(spec.kind.bare == kind for spec in KINDS):
        return Violation("apiVersion", f"unknown API group {group!r}{meant}")
    return Violation("kind", f"{kind} of {group} is not a kind that is read here", Severity.WARNING)


def _suggest_kind(kind: str, peers: list[KindSpec]) -> str:
    return suggest(kind, sorted(spec.kind.bare for spec in peers))


def _api_version(group: str, versions: tuple[str, ...]) -> str:
    return f"{group}/{versions[0]}" if group else versions[0]

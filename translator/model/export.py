"""Visibility between namespaces: the ``exportTo`` of services and rules."""

from collections.abc import Iterable, Mapping

from translator.label_selector import selects
from translator.objects.mesh_config import ServiceEntryVisibility, Visibility, VisibilityPolicy

# Namespace names, or "*" alone for everybody; empty for nobody.
Export = tuple[str, ...]

PUBLIC: Export = ("*",)


def normalize_export(values: Iterable[str], namespace: str, default: Iterable[str]) -> Export:
    """The namespaces an object is visible to, from its exportTo or, when that is empty, the mesh default.

    Istio: ``*`` wins over everything, then ``~`` (nobody); ``.`` is the object's own namespace.
    """
    wanted = {value.strip() for value in values} - {""} or set(default)
    if "*" in wanted:
        return PUBLIC
    if "~" in wanted:
        return ()
    return tuple(sorted(namespace if value == "." else value for value in wanted))


def limit_export(
    export: Export, namespace: str, limits: ServiceEntryVisibility | None, labels: Mapping[str, str]
) -> Export:
    """What the mesh allows of the visibility of a ServiceEntry in a namespace with these labels.

    Istio: the first policy for the namespace decides, else the default; it can only take away.
    """
    if limits is None or not limits.apply_to_sidecars:
        return export
    visibility = next(
        (policy.visibility for policy in limits.policies if _is_for(policy, labels)), limits.default_visibility
    )
    if visibility is Visibility.NONE:
        return ()
    if visibility is Visibility.NAMESPACE:
        return (namespace,) if is_exported(export, namespace) else ()
    return export


def _is_for(policy: VisibilityPolicy, labels: Mapping[str, str]) -> bool:
    selectors = (rule.namespace_selector for rule in policy.matching_rules)
    return all(selector is None or selects(selector, labels) for selector in selectors)


def is_exported(export: Export, namespace: str) -> bool:
    """Whether something with this visibility can be seen from ``namespace``."""
    return export == PUBLIC or namespace in export

"""Visibility between namespaces: the ``exportTo`` of services and rules."""

from collections.abc import Iterable

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


def is_exported(export: Export, namespace: str) -> bool:
    """Whether something with this visibility can be seen from ``namespace``."""
    return export == PUBLIC or namespace in export

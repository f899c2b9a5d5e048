"""How a cluster is reached: by a kubeconfig file, by a pod's service account, or by the text of a kubeconfig."""

import os
from pathlib import Path
from typing import Final

import msgspec

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class AccessError(Exception):
    """A cluster cannot be reached with what is given; the text says what to do about it."""


class KubeconfigAccess(msgspec.Struct, frozen=True, kw_only=True):
    """A kubeconfig file, or several joined by colons as in ``$KUBECONFIG``; without a context its current one."""

    path: str = ""
    context: str = ""


class PodAccess(msgspec.Struct, frozen=True, kw_only=True):
    """The service account of the pod that this runs in."""

    folder: Path = SERVICE_ACCOUNT


class EmbeddedAccess(msgspec.Struct, frozen=True, kw_only=True):
    """A kubeconfig as text, as remote secrets hold it."""

    content: bytes

    def __repr__(self) -> str:
        return "EmbeddedAccess(content=<redacted>)"


ClusterAccess = KubeconfigAccess | PodAccess | EmbeddedAccess


def default_kubeconfig() -> str:
    """Where kubectl would look."""
    return os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")


def describe_access(access: ClusterAccess) -> str:
    """For people."""
    match access:
        case KubeconfigAccess(path=path, context=context):
            return f"kubeconfig {path or default_kubeconfig()}" + (f", context {context}" if context else "")
        case PodAccess():
            return "the pod's service account"
        case EmbeddedAccess():
            return "the kubeconfig of the remote secret"

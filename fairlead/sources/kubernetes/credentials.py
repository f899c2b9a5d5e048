"""The credentials of a cluster, read with the official client's loaders."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from kubernetes.aio.client import Configuration
from kubernetes.aio.config import ConfigException, load_kube_config, load_kube_config_from_dict
from kubernetes.aio.config.incluster_config import InClusterConfigLoader

from fairlead.sources.kubernetes.access import (
    AccessError,
    ClusterAccess,
    EmbeddedAccess,
    KubeconfigAccess,
    PodAccess,
    default_kubeconfig,
    describe_access,
)

# Istio: what a kubeconfig from a Secret may not make the control plane read.
_PATH_FIELDS: Final = ("client-key", "client-certificate", "tokenFile")


async def load_configuration(access: ClusterAccess) -> Configuration:
    """The official client's configuration, credentials included. Raises AccessError."""
    configuration = Configuration()
    try:
        match access:
            case KubeconfigAccess():
                await _load_kubeconfig(access, configuration)
            case PodAccess():
                _load_service_account(access, configuration)
            case EmbeddedAccess():
                content = _read_embedded(access.content)
                await load_kube_config_from_dict(content, client_configuration=configuration)
    except ConfigException as error:
        raise AccessError(f"{describe_access(access)}: {error}") from error
    except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError) as error:
        # What the client's loader makes of a file that is no kubeconfig.
        raise AccessError(f"{describe_access(access)} cannot be read: {error}") from error
    return configuration


def credential_files(access: ClusterAccess, configuration: Configuration) -> tuple[Path, ...]:
    """The files whose change means other credentials."""
    named = (configuration.ssl_ca_cert, configuration.cert_file, configuration.key_file)
    files = [Path(name) for name in named if name]
    match access:
        case KubeconfigAccess(path=path):
            for kubeconfig in _split_paths(path or default_kubeconfig()):
                files += [kubeconfig, *_token_files(kubeconfig)]
        case PodAccess(folder=folder):
            files.append(folder / "token")
        case EmbeddedAccess():
            pass
    return tuple(files)


async def _load_kubeconfig(access: KubeconfigAccess, configuration: Configuration) -> None:
    path = access.path or default_kubeconfig()
    found = [each for each in _split_paths(path) if each.is_file()]
    if not found:
        raise AccessError(
            f"there is no kubeconfig at {path}: name one with --kubeconfig or $KUBECONFIG, "
            "or use --in-cluster inside a pod"
        )
    contexts = _contexts(found)
    if access.context and access.context not in contexts:
        known = ", ".join(contexts) or "none at all"
        raise AccessError(f"{path} has no context {access.context!r}; it has: {known}")
    await load_kube_config(
        config_file=os.pathsep.join(map(str, found)),
        context=access.context or None,
        client_configuration=configuration,
        persist_config=False,
    )


def _split_paths(text: str) -> list[Path]:
    return [Path(each).expanduser() for each in text.split(os.pathsep) if each]


def _contexts(files: list[Path]) -> list[str]:
    names: list[str] = []
    for file in files:
        content = yaml.safe_load(file.read_bytes())
        if not isinstance(content, Mapping):
            raise AccessError(f"{file} is no kubeconfig")
        names += [str(each.get("name")) for each in content.get("contexts") or () if isinstance(each, Mapping)]
    return names


def _token_files(kubeconfig: Path) -> list[Path]:
    """The files with tokens that a kubeconfig names, which rotate without it."""
    try:
        content = yaml.safe_load(kubeconfig.read_bytes())
    except (OSError, yaml.YAMLError):
        return []
    users = content.get("users") or () if isinstance(content, Mapping) else ()
    named = [(each.get("user") or {}).get("tokenFile") for each in users if isinstance(each, Mapping)]
    return [kubeconfig.parent / str(name) for name in named if name]


def _load_service_account(access: PodAccess, configuration: Configuration) -> None:
    if not os.environ.get("KUBERNETES_SERVICE_HOST"):
        raise AccessError(
            "this is not a pod of a cluster (KUBERNETES_SERVICE_HOST is not set): "
            "use --kubeconfig instead of --in-cluster"
        )
    InClusterConfigLoader(str(access.folder / "token"), str(access.folder / "ca.crt")).load_and_set(configuration)


def _read_embedded(content: bytes) -> dict[str, Any]:
    """The kubeconfig of a Secret, which whoever can write Secrets wrote: it may not run programs nor read files."""
    found = yaml.safe_load(content)
    if not isinstance(found, dict):
        raise AccessError("the remote secret holds no kubeconfig")
    for named in found.get("users") or ():
        user = named.get("user") or {} if isinstance(named, Mapping) else {}
        if "exec" in user:
            raise AccessError("the kubeconfig of a remote secret must not run a program (exec)")
        provider = (user.get("auth-provider") or {}).get("name")
        if provider and provider != "oidc":
            raise AccessError(f"the kubeconfig of a remote secret must not use the auth-provider {provider}")
        _refuse_paths(user, _PATH_FIELDS)
    for named in found.get("clusters") or ():
        _refuse_paths(named.get("cluster") or {} if isinstance(named, Mapping) else {}, ("certificate-authority",))
    return found


def _refuse_paths(fields: Mapping[str, Any], names: tuple[str, ...]) -> None:
    for name in names:
        if name in fields:
            raise AccessError(f"the kubeconfig of a remote secret must hold its data itself, not name a file ({name})")

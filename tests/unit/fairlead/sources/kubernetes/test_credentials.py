"""Kubeconfigs: the good ones, and what those from Secrets may not say."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from fairlead.sources.kubernetes.access import AccessError, EmbeddedAccess, KubeconfigAccess, PodAccess
from fairlead.sources.kubernetes.credentials import credential_files, load_configuration


def kubeconfig(user: dict[str, Any] | None = None, cluster: dict[str, Any] | None = None) -> bytes:
    return yaml.safe_dump(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "a",
            "clusters": [{"name": "a", "cluster": {"server": "http://127.0.0.1:1", **(cluster or {})}}],
            "users": [{"name": "a", "user": user or {}}],
            "contexts": [{"name": "a", "context": {"cluster": "a", "user": "a"}}],
        }
    ).encode()


async def test_a_token_inside_is_used() -> None:
    configuration = await load_configuration(EmbeddedAccess(content=kubeconfig({"token": "secret"})))
    assert configuration.host == "http://127.0.0.1:1"
    assert (await configuration.auth_settings())["BearerToken"]["value"] == "Bearer secret"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (kubeconfig({"exec": {"command": "/bin/true"}}), "run a program"),
        (kubeconfig({"auth-provider": {"name": "gcp"}}), "auth-provider gcp"),
        (kubeconfig({"client-key": "/etc/key"}), "client-key"),
        (kubeconfig({"client-certificate": "/etc/cert"}), "client-certificate"),
        (kubeconfig({"tokenFile": "/etc/token"}), "tokenFile"),
        (kubeconfig(cluster={"certificate-authority": "/etc/ca"}), "certificate-authority"),
        (b"just text", "no kubeconfig"),
        (b"{", "cannot be read"),
        (b"{}", "Expected key"),
    ],
)
async def test_a_remote_secret_may_not_reach_beyond_itself(content: bytes, reason: str) -> None:
    with pytest.raises(AccessError, match=reason):
        await load_configuration(EmbeddedAccess(content=content))


def test_a_kubeconfig_never_prints() -> None:
    assert "secret" not in repr(EmbeddedAccess(content=kubeconfig({"token": "secret"})))


async def test_the_files_behind_credentials_are_known(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret")
    path = tmp_path / "config"
    path.write_bytes(kubeconfig({"tokenFile": str(tmp_path / "token")}))
    access = KubeconfigAccess(path=str(path))
    assert credential_files(access, await load_configuration(access)) == (path, tmp_path / "token")


async def test_a_pods_service_account(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    (tmp_path / "token").write_text("secret")
    (tmp_path / "ca.crt").write_text("roots")
    access = PodAccess(folder=tmp_path)
    configuration = await load_configuration(access)
    assert configuration.host == "https://127.0.0.1:443"
    assert tmp_path / "token" in credential_files(access, configuration)


async def test_a_file_that_is_no_kubeconfig(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text("[]")
    with pytest.raises(AccessError, match="is no kubeconfig"):
        await load_configuration(KubeconfigAccess(path=str(path)))

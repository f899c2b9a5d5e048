"""MeshConfig from a file."""

from pathlib import Path

import pytest

from fairlead.address import Address
from fairlead.settings import ServeSettings, SettingsError, load_mesh, load_settings
from translator.objects.mesh_config import MeshConfig
from translator.objects.mesh_networks import MeshNetworks
from translator.settings import Settings


def test_mesh_config(tmp_path: Path) -> None:
    path = tmp_path / "mesh.yaml"
    path.write_text("rootNamespace: mesh-system\n")
    assert load_mesh(path)[0].root_namespace == "mesh-system"
    assert load_settings(path).mesh.root_namespace == "mesh-system"
    assert load_settings(None) == Settings()


def test_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "mesh.yaml"
    path.touch()
    assert load_mesh(path) == (MeshConfig(), MeshNetworks())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rootNamespace: [", ":2: "),
        ("rootNamespac: x", "rootNamespac: unknown field"),
        ("trustDomain: a_b", "trustDomain: 'a_b' is not"),
        ("- 1", "expected object"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mesh.yaml"
    path.write_text(text + "\n")
    with pytest.raises(SettingsError) as raised:
        load_mesh(path)
    assert str(raised.value).startswith(str(path))
    assert message in str(raised.value)


CONFIG_MAP = """
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    rootNamespace: mesh-system
  meshNetworks: |
    networks: {n1: {gateways: [{address: 9.9.9.9, port: 15443}]}}
"""


def test_the_config_map_of_an_istio_installation(tmp_path: Path) -> None:
    path = tmp_path / "istio.yaml"
    path.write_text(CONFIG_MAP)
    settings = load_settings(path)
    assert settings.mesh.root_namespace == "mesh-system"
    assert settings.networks.networks["n1"].gateways[0].port == 15443


def test_networks_that_are_broken_are_told_too(tmp_path: Path) -> None:
    path = tmp_path / "istio.yaml"
    path.write_text(CONFIG_MAP.replace("gateways", "gatewais"))
    with pytest.raises(SettingsError, match=r"gatewais: unknown field"):
        load_settings(path)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read: no such file"):
        load_mesh(tmp_path / "mesh.yaml")


@pytest.mark.parametrize(
    ("address", "given"),
    [
        ("127.0.0.1:15010", True),
        ("[::1]:15010", True),
        ("localhost:15010", True),
        (":15010", False),
        ("10.0.0.1:1", False),
    ],
)
def test_secrets_are_given_out_where_only_this_machine_can_ask(tmp_path: Path, address: str, given: bool) -> None:  # noqa: FBT001
    settings = ServeSettings(config_dir=tmp_path, xds=Address.parse(address))
    assert settings.discloses_secrets is given
    assert ServeSettings(config_dir=tmp_path, xds=settings.xds, plaintext_secrets=True).discloses_secrets

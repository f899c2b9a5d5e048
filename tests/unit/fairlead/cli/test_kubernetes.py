"""Which clusters the options of the command line mean."""

from pathlib import Path

import pytest
import typer

from fairlead.cli.kubernetes import ClusterOptions, cluster_settings
from fairlead.sources.kubernetes.access import KubeconfigAccess, PodAccess

NONE = ClusterOptions(
    kubernetes=True,
    kubeconfig="",
    contexts=(),
    in_cluster=False,
    cluster_id="Kubernetes",
    root_namespace="istio-system",
    mesh_config=None,
    write_status=True,
)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("KUBERNETES_SERVICE_HOST", raising=False)


def test_without_anything_the_default_kubeconfig_is_meant() -> None:
    assert cluster_settings(NONE).primary == KubeconfigAccess()


def test_in_a_pod_without_a_kubeconfig_its_service_account_is_meant(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    assert cluster_settings(NONE).primary == PodAccess()


def test_in_a_pod_with_a_kubeconfig_that_is_meant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "127.0.0.1")
    (tmp_path / "config").write_text("")
    assert cluster_settings(NONE).primary == KubeconfigAccess()
    assert cluster_settings(NONE._replace(in_cluster=True)).primary == PodAccess()


def test_the_first_context_holds_the_configuration() -> None:
    settings = cluster_settings(NONE._replace(kubeconfig="file", contexts=("east", "west")))
    assert settings.primary == KubeconfigAccess(path="file", context="east")
    assert settings.others == {"west": KubeconfigAccess(path="file", context="west")}


def test_the_mesh_configuration_of_a_file_is_what_the_config_map_is_laid_over(tmp_path: Path) -> None:
    path = tmp_path / "mesh.yaml"
    path.write_text("trustDomain: example.org\n")
    assert cluster_settings(NONE._replace(mesh_config=path)).mesh_config == {"trustDomain": "example.org"}


def test_two_processes_are_two_replicas() -> None:
    assert cluster_settings(NONE).identity != cluster_settings(NONE).identity


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (NONE._replace(in_cluster=True, kubeconfig="file"), "does not go together"),
        (NONE._replace(contexts=("east", "east")), "no two may have the same name"),
        (NONE._replace(contexts=("east", "Kubernetes")), "nor that of --cluster-id"),
    ],
)
def test_options_that_contradict_each_other(
    options: ClusterOptions, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(typer.Exit):
        cluster_settings(options)
    assert reason in capsys.readouterr().err


def test_whether_a_cluster_is_asked_for() -> None:
    nothing = NONE._replace(kubernetes=False)
    assert not nothing.are_given
    assert nothing._replace(in_cluster=True).are_given
    assert nothing._replace(contexts=("east",)).are_given

"""The manifests that are tested: as they are written, as kustomize renders them, and as Helm renders them."""

from pathlib import Path

import pytest
import yaml

from tests.deploy import rendering
from tests.deploy.rendering import Manifest


@pytest.fixture(scope="session")
def kustomization(project_root: Path) -> Path:
    """The folder of the base."""
    return project_root / "deploy" / "kustomize" / "base"


@pytest.fixture(scope="session")
def chart(project_root: Path) -> Path:
    """The folder of the chart."""
    return project_root / "deploy" / "helm" / "fairlead"


@pytest.fixture(scope="session")
def written(kustomization: Path) -> list[Manifest]:
    """What stands in the files of the base, without any tool."""
    resources = yaml.safe_load((kustomization / "kustomization.yaml").read_text())["resources"]
    texts = [(kustomization / name).read_text() for name in resources]
    return [document for text in texts for document in yaml.safe_load_all(text)]


@pytest.fixture(scope="session", params=["written", "kustomize", "helm"])
def manifests(request: pytest.FixtureRequest, kustomization: Path, chart: Path) -> list[Manifest]:
    """All objects, in each of the forms."""
    if request.param == "kustomize":
        return rendering.kustomize(kustomization)
    if request.param == "helm":
        return rendering.helm(chart)
    manifests: list[Manifest] = request.getfixturevalue("written")
    return manifests

"""The manifests as the real tools render them."""

import os
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
Manifest = dict[str, Any]
NAMESPACE = "istio-system"
# Helm asks the chart for the version of the cluster when it has none at hand.
KUBERNETES_VERSION = "1.34.0"


class Refused(Exception):
    """A tool says no; the text is its own."""


def tool(name: str) -> str:
    """The path of a tool: one that was built for this checkout, or on PATH. Skips the test without it."""
    found = shutil.which(name, path=f"{ROOT / '.kubernetes'}{os.pathsep}{os.environ.get('PATH', '')}")
    if found is None:
        pytest.skip(f"no {name} here (make kubernetes-tools builds helm; kubectl or kustomize has to be installed)")
    return found


def kustomize(folder: Path) -> list[Manifest]:
    """What a kustomization renders to."""
    if shutil.which("kustomize"):
        return _run(tool("kustomize"), "build", str(folder))
    return _run(tool("kubectl"), "kustomize", str(folder))


def helm(chart: Path, values: Mapping[str, object] | None = None, release: str = "fairlead") -> list[Manifest]:
    """What a chart renders to. Raises Refused."""
    command = [tool("helm"), "template", release, str(chart), "--namespace", NAMESPACE]
    command += ["--kube-version", KUBERNETES_VERSION]
    return _run(*command, "--values", "-", stdin=yaml.safe_dump(dict(values or {})))


def identity(manifest: Manifest) -> tuple[str, str]:
    """The kind and the name."""
    return manifest["kind"], manifest["metadata"]["name"]


def by_identity(manifests: Iterable[Manifest]) -> dict[tuple[str, str], Manifest]:
    """Manifests by kind and name; each of them once."""
    listed = list(manifests)
    found = {identity(manifest): manifest for manifest in listed}
    assert len(found) == len(listed)
    return found


def _run(*command: str, stdin: str = "") -> list[Manifest]:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Refused(done.stderr)
    return [document for document in yaml.safe_load_all(done.stdout) if document]

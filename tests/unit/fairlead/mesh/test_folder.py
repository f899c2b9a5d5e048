"""A folder with one file per object."""

from pathlib import Path

import pytest

from fairlead.mesh.folder import ConfigFolder

TEXT = """
kind: Namespace
metadata: {name: shop}
---
# nothing but a comment
---
kind: Service
metadata: {name: Web, namespace: other}
---
kind: Gateway
metadata: {name: web}
"""


def files(folder: ConfigFolder) -> set[str]:
    return {str(path.relative_to(folder.root)) for path in folder.root.rglob("*") if path.is_file()}


def test_each_object_has_its_own_file_and_gets_the_namespace_it_lacks(tmp_path: Path) -> None:
    folder = ConfigFolder(tmp_path)
    documents = folder.apply_yaml(TEXT, "shop")
    assert files(folder) == {"namespace-shop.yaml", "other/service-web.yaml", "shop/gateway-web.yaml"}
    assert "namespace" not in documents[0]["metadata"]
    folder.delete(*documents)
    assert files(folder) == set()
    with pytest.raises(FileNotFoundError):
        folder.delete(documents[0])


def test_an_object_applied_again_is_replaced_and_no_draft_stays(tmp_path: Path) -> None:
    folder = ConfigFolder(tmp_path)
    for port in (80, 81):
        folder.apply({"kind": "Service", "metadata": {"name": "a", "namespace": "b"}, "spec": {"port": port}})
    assert files(folder) == {"b/service-a.yaml"}
    assert "port: 81" in (tmp_path / "b/service-a.yaml").read_text()

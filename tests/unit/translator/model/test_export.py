"""Visibility between namespaces."""

import msgspec
import pytest

from tests.unit.translator.mesh_kit import SIDECAR, Mesh, entry, service
from translator.model.export import PUBLIC, Export, is_exported, limit_export, normalize_export
from translator.objects.mesh_config import MeshConfig, ServiceEntryVisibility


@pytest.mark.parametrize(
    ("values", "default", "expected"),
    [
        ((), ("*",), ("*",)),
        ((), (".",), ("own",)),
        (("",), ("*",), ("*",)),
        (("*", "a"), (".",), ("*",)),
        (("*", "~"), (".",), ("*",)),
        (("~", "a"), ("*",), ()),
        ((".", "a"), ("*",), ("a", "own")),
        ((" b ", "a"), ("*",), ("a", "b")),
    ],
)
def test_normal_form(values: tuple[str, ...], default: tuple[str, ...], expected: tuple[str, ...]) -> None:
    assert normalize_export(values, "own", default) == expected


@pytest.mark.parametrize(
    ("export", "namespace", "expected"),
    [(("*",), "a", True), (("a",), "a", True), (("a",), "b", False), ((), "a", False)],
)
def test_is_exported(export: tuple[str, ...], namespace: str, expected: bool) -> None:  # noqa: FBT001
    assert is_exported(export, namespace) is expected


@pytest.mark.parametrize(
    ("limits", "export", "expected"),
    [
        (None, PUBLIC, PUBLIC),
        ({"defaultVisibility": "NONE"}, PUBLIC, PUBLIC),
        ({"applyToSidecars": True}, PUBLIC, PUBLIC),
        ({"applyToSidecars": True, "defaultVisibility": "PUBLIC"}, ("shop",), ("shop",)),
        ({"applyToSidecars": True, "defaultVisibility": "NAMESPACE"}, PUBLIC, ("shop",)),
        ({"applyToSidecars": True, "defaultVisibility": "NAMESPACE"}, ("bank",), ()),
        ({"applyToSidecars": True, "defaultVisibility": "NONE"}, PUBLIC, ()),
        (
            {
                "applyToSidecars": True,
                "defaultVisibility": "NONE",
                "policies": [
                    {
                        "visibility": "PUBLIC",
                        "matchingRules": [{"namespaceSelector": {"matchLabels": {"team": "other"}}}],
                    },
                    {
                        "visibility": "NAMESPACE",
                        "matchingRules": [{"namespaceSelector": {"matchLabels": {"team": "a"}}}],
                    },
                    {"visibility": "PUBLIC"},
                ],
            },
            PUBLIC,
            ("shop",),
        ),
        (
            {"applyToSidecars": True, "defaultVisibility": "NONE", "policies": [{"visibility": "PUBLIC"}]},
            PUBLIC,
            PUBLIC,
        ),
    ],
)
def test_the_mesh_can_limit_what_entries_export(
    limits: dict[str, object] | None, export: Export, expected: Export
) -> None:
    setting = None if limits is None else msgspec.convert(limits, ServiceEntryVisibility)
    assert limit_export(export, "shop", setting, {"team": "a"}) == expected


def test_limits_apply_to_entries_alone() -> None:
    limits = msgspec.convert({"applyToSidecars": True, "defaultVisibility": "NAMESPACE"}, ServiceEntryVisibility)
    mesh = Mesh(
        service(),
        entry("{hosts: [a.com], ports: [{number: 80, name: http, protocol: HTTP}], resolution: DNS}"),
        mesh=MeshConfig(service_entry_visibility=limits),
    )
    far = msgspec.structs.replace(SIDECAR, namespace="far")
    names = {proxy.namespace: {name for name in mesh.clusters(proxy) if "|80||" in name} for proxy in (SIDECAR, far)}
    web = "outbound|80||web.default.svc.cluster.local"
    assert names == {"default": {web, "outbound|80||a.com"}, "far": {web}}

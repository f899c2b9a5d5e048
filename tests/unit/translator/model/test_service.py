"""Services: from Kubernetes and from ServiceEntries, and which one a hostname means."""

from typing import Any

import pytest
import yaml

from tests.unit.translator.mesh_kit import Mesh, entry, service
from translator.decode import decode_record
from translator.model.protocol import Protocol
from translator.model.service import (
    Distribution,
    Resolution,
    Service,
    aliases,
    namespace_services,
    visible_service,
)
from translator.model.service import service as find
from translator.objects.mesh_config import MeshConfig

HOST = "web.default.svc.cluster.local"


def only(*texts: str, mesh: MeshConfig | None = None) -> Service:
    """The one service of the default namespace."""
    (found,) = namespace_services(Mesh(*texts, mesh=mesh).db, "default")
    return found


def annotated(kind: str, **annotations: str) -> dict[str, Any]:
    """Metadata of a Namespace or Service with annotations; dashes and slashes are spelled out by the caller."""
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "default", "annotations": annotations}}


def with_annotations(annotations: dict[str, str], **spec: object) -> str:
    """A Service with annotations."""
    document = yaml.safe_load(service(**spec))  # type: ignore[arg-type]
    document["metadata"]["annotations"] = annotations
    return yaml.safe_dump(document)


def test_a_kubernetes_service() -> None:
    found = only(service(ports="{name: http, port: 80, targetPort: main}, {name: dns, port: 53, protocol: UDP}"))
    assert found.hostname == HOST
    assert found.kubernetes
    assert not found.mesh_external
    assert found.resolution is Resolution.CLIENT_SIDE
    assert found.addresses == ("10.0.0.1",)
    assert found.selector == (("app", "web"),)
    assert found.export == ("*",)
    assert [(port.number, port.name, port.protocol, port.target_port) for port in found.ports] == [
        (80, "http", Protocol.HTTP, "main"),
        (53, "dns", Protocol.UDP, None),
    ]


@pytest.mark.parametrize(
    ("spec", "resolution", "addresses"),
    [
        ({"clusterIP": "None"}, Resolution.PASSTHROUGH, ()),
        (
            {"clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1", "fd00::1"]},
            Resolution.CLIENT_SIDE,
            ("10.0.0.1", "fd00::1"),
        ),
        ({"clusterIP": "10.0.0.1", "type": "NodePort"}, Resolution.CLIENT_SIDE, ("10.0.0.1",)),
        ({"clusterIP": "", "type": "ExternalName", "externalName": "A.com."}, Resolution.ALIAS, ()),
        ({"clusterIP": "10.0.0.1", "type": "ExternalName"}, Resolution.CLIENT_SIDE, ("10.0.0.1",)),
    ],
)
def test_resolution(spec: dict[str, object], resolution: Resolution, addresses: tuple[str, ...]) -> None:
    found = only(service(**spec))  # type: ignore[arg-type]
    assert (found.resolution, found.addresses) == (resolution, addresses)
    assert found.headless is (resolution is Resolution.PASSTHROUGH)
    assert found.mesh_external is (resolution is Resolution.ALIAS)
    assert found.external_name == ("a.com" if resolution is Resolution.ALIAS else "")


@pytest.mark.parametrize(
    ("annotation", "expected"), [("", ("*",)), (".", ("default",)), ("~", ()), ("a, b", ("a", "b")), ("*", ("*",))]
)
def test_export_annotation(annotation: str, expected: tuple[str, ...]) -> None:
    assert only(with_annotations({"networking.istio.io/exportTo": annotation})).export == expected


def test_default_export_of_the_mesh() -> None:
    settings, _ = decode_record({"defaultServiceExportTo": ["."]}, MeshConfig)
    assert only(service(), mesh=settings).export == ("default",)


DISTRIBUTION = "networking.istio.io/traffic-distribution"


@pytest.mark.parametrize(
    ("field", "own", "namespace", "expected"),
    [
        ("", None, None, Distribution.ANY),
        ("PreferClose", "PreferSameNode", None, Distribution.SAME_ZONE),
        ("PreferSameZone", None, None, Distribution.SAME_ZONE),
        ("PreferSameNode", None, None, Distribution.SAME_NODE),
        ("Unknown", "prefersamenode", None, Distribution.SAME_NODE),
        ("", "preferclose", "PreferSameNode", Distribution.SAME_ZONE),
        ("", "unknown", "PreferSameNode", Distribution.ANY),
        ("", None, "PREFERSAMENODE", Distribution.SAME_NODE),
    ],
)
def test_traffic_distribution(field: str, own: str | None, namespace: str | None, expected: Distribution) -> None:
    texts = [with_annotations({DISTRIBUTION: own} if own else {}, trafficDistribution=field)]
    if namespace:
        texts.append(yaml.safe_dump(annotated("Namespace", **{DISTRIBUTION: namespace})))
    assert only(*texts).distribution is expected


def test_allowed_accounts() -> None:
    found = only(
        with_annotations(
            {
                "alpha.istio.io/canonical-serviceaccounts": "spiffe://b/x, spiffe://a/y",
                "alpha.istio.io/kubernetes-serviceaccounts": "bob",
            }
        )
    )
    assert found.subject_alt_names == ("spiffe://a/y", "spiffe://b/x", "spiffe://cluster.local/ns/default/sa/bob")


def test_a_service_entry_is_a_service_for_each_host() -> None:
    text = """
{hosts: [B.com, "*.a.com"], addresses: [10.0.0.1/32, 10.1.0.0/16, "2001:db8::1/128"], exportTo: [.],
 ports: [{number: 443, name: tls, protocol: tls, targetPort: 8443}], resolution: STATIC, subjectAltNames: [x]}
"""
    wildcard, plain = namespace_services(Mesh(entry(text)).db, "default")
    assert (wildcard.hostname, plain.hostname) == ("*.a.com", "b.com")
    assert plain.addresses == ("10.0.0.1", "10.1.0.0/16", "2001:db8::1")
    assert plain.export == ("default",)
    assert plain.mesh_external
    assert plain.subject_alt_names == ("x",)
    assert [(port.protocol, port.target_port) for port in plain.ports] == [(Protocol.TLS, 8443)]


@pytest.mark.parametrize(
    ("resolution", "expected"),
    [
        ("NONE", Resolution.PASSTHROUGH),
        ("STATIC", Resolution.CLIENT_SIDE),
        ("DNS", Resolution.DNS),
        ("DNS_ROUND_ROBIN", Resolution.DNS_ROUND_ROBIN),
        ("DYNAMIC_DNS", Resolution.DYNAMIC_DNS),
    ],
)
def test_resolution_of_entries(resolution: str, expected: Resolution) -> None:
    text = f"{{hosts: ['*.a.com'], ports: [{{number: 80, name: http, protocol: HTTP}}], resolution: {resolution}}}"
    found = only(entry(text))
    assert found.resolution is expected
    assert not found.headless
    assert found.resolution.is_dns is (expected in (Resolution.DNS, Resolution.DNS_ROUND_ROBIN))


ENTRY = "{hosts: [a.com], ports: [{number: %s, name: p%s, protocol: HTTP}], resolution: %s}"


def test_case_39_kubernetes_beats_age() -> None:
    text = f"{{hosts: [{HOST}], ports: [{{number: 81, name: http, protocol: HTTP}}], resolution: STATIC}}"
    found = only(entry(text, created="2020-01-01T00:00:00Z"), service())
    assert found.kubernetes
    assert [port.number for port in found.ports] == [80]


def test_entries_of_one_host_merge_their_ports() -> None:
    older = entry(ENTRY % (80, "a", "STATIC"), name="b")
    younger = entry(ENTRY % (81, "b", "STATIC"), name="a", created="2026-02-01T00:00:00Z")
    same_port = entry(ENTRY % (80, "c", "STATIC"), name="c", created="2026-03-01T00:00:00Z")
    different = entry(ENTRY % (82, "d", "DNS"), name="d", created="2026-04-01T00:00:00Z")
    labelled = entry(ENTRY % (83, "e", "STATIC"), name="e", created="2026-05-01T00:00:00Z").replace(
        "name: e\n", "name: e\n  labels: {team: x}\n", 1
    )
    assert "team: x" in labelled
    found = only(labelled, different, same_port, younger, older)
    assert [(port.number, port.name) for port in found.ports] == [(80, "pa"), (81, "pb")]
    assert found.source.name == "b"


def test_case_39_which_service_a_host_means() -> None:
    mesh = Mesh(
        entry(ENTRY % (80, "a", "STATIC"), namespace="old", created="2025-01-01T00:00:00Z"),
        entry(ENTRY % (80, "a", "STATIC"), namespace="own"),
        entry(
            "{hosts: [a.com], exportTo: [.], ports: [], resolution: STATIC}",
            namespace="hidden",
            created="2020-01-01T00:00:00Z",
        ),
    )

    def seen_from(namespace: str) -> str:
        found = visible_service(mesh.db, namespace, "a.com")
        assert found is not None
        return found.namespace

    assert [seen_from(namespace) for namespace in ("own", "old", "hidden", "third")] == ["own", "old", "hidden", "old"]
    assert visible_service(mesh.db, "own", "b.com") is None


def test_case_03_aliases() -> None:
    def alias(name: str, target: str) -> str:
        return service(name, type="ExternalName", externalName=target)

    mesh = Mesh(
        alias("one", HOST),
        alias("two", "one.default.svc.cluster.local"),
        alias("loop", "pool.default.svc.cluster.local"),
        alias("pool", "loop.default.svc.cluster.local"),
    )
    assert aliases(mesh.db, HOST) == ("one.default.svc.cluster.local", "two.default.svc.cluster.local")
    assert aliases(mesh.db, "loop.default.svc.cluster.local") == ("pool.default.svc.cluster.local",)
    assert aliases(mesh.db, "unknown") == ()


def test_ports_by_number() -> None:
    found = only(service(ports="{name: a, port: 80}, {name: b, port: 81}"))
    port = found.port(81)
    assert port is not None
    assert port.name == "b"
    assert found.port(82) is None
    assert found.with_port(81).ports == (port,)


def test_a_service_that_is_gone() -> None:
    mesh = Mesh(service())
    assert find(mesh.db, "default", HOST) is not None
    mesh.remove(service())
    assert find(mesh.db, "default", HOST) is None

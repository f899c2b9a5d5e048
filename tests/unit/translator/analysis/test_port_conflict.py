"""TCP ports of ServiceEntries that only their number tells apart."""

import pytest

from tests.unit.translator.listeners.listener_kit import external
from tests.unit.translator.mesh_kit import Mesh
from translator.analysis.findings import object_findings
from translator.diagnostics import Diagnostic
from translator.objects.registry import Kind, ObjectKey

OLD = "2025-01-01T00:00:00Z"


def findings(mesh: Mesh, name: str) -> tuple[Diagnostic, ...]:
    """What is wrong with a ServiceEntry."""
    return object_findings(mesh.db, ObjectKey(Kind.SERVICE_ENTRY, "default", name))


def test_case_05_a_who_gets_no_connections_is_told() -> None:
    older, newer = external("a.test", "80/HTTP", "5432/TCP", created=OLD), external("b.test", "5432/TCP")
    mesh = Mesh(older, newer)
    assert findings(mesh, "a-test") == ()
    (found,) = findings(mesh, "b-test")
    assert (found.code, found.path) == ("FL0104", "spec.ports[0]")
    assert "ServiceEntry default/a-test is older" in found.message
    mesh.remove(older)
    assert findings(mesh, "b-test") == ()


@pytest.mark.parametrize(
    ("one", "other", "conflicts"),
    [
        ({"addresses": "[10.1.1.1]"}, {"addresses": "[10.1.1.1]"}, True),
        ({"addresses": "[10.1.1.1]"}, {"addresses": "[10.1.1.2]"}, False),
        ({"addresses": "[10.1.1.1]"}, {}, False),
        ({"exportTo": "[x]"}, {"exportTo": "[y]"}, False),
        ({"exportTo": "[x]"}, {}, True),
        ({"resolution": "NONE", "endpoints": "[{address: 10.2.0.1}]"}, {}, False),
    ],
)
def test_what_tells_ports_apart(one: dict[str, str], other: dict[str, str], conflicts: bool) -> None:  # noqa: FBT001
    mesh = Mesh(external("a.test", "5432/TCP", created=OLD, **one), external("b.test", "5432/TCP", **other))
    assert bool(findings(mesh, "b-test")) is conflicts


@pytest.mark.parametrize("protocol", ["HTTP", "TLS", "HTTPS", "GRPC"])
def test_hosts_and_sni_tell_ports_apart(protocol: str) -> None:
    mesh = Mesh(external("a.test", "443/TCP", created=OLD), external("b.test", f"443/{protocol}"))
    assert findings(mesh, "b-test") == ()

"""Virtual addresses for services without any."""

import msgspec
import yaml

from tests.unit.translator.mesh_kit import SIDECAR, Mesh, entry, service
from translator.model.allocation import allocated_addresses
from translator.model.scope import egress_scopes, scope_key

TWO = "{hosts: [a.com, b.com], ports: [{number: 9000, name: tcp, protocol: TCP}], resolution: DNS %s}"


def allocated(mesh: Mesh, *hosts: str) -> list[tuple[str, ...]]:
    return [allocated_addresses(mesh.db, "default", host) for host in hosts]


def with_status(text: str, addresses: dict[str, str]) -> str:
    document = yaml.safe_load(text)
    document["status"] = {"addresses": [{"value": value, "host": host} for value, host in addresses.items()]}
    return yaml.safe_dump(document)


def test_case_40_every_host_gets_one_address_of_each_family_which_stay_until_they_are_not_needed() -> None:
    mesh = Mesh(entry(TWO % ""))
    first, second = allocated(mesh, "a.com", "b.com")
    for v4, v6 in (first, second):
        assert v4.startswith("240.240.")
        assert v6.startswith("2001:2::")
    assert not {*first} & {*second}
    # Neither another service nor a restart changes them.
    mesh.add(
        entry(
            "{hosts: [c.com], ports: [{number: 1, name: x}], resolution: DNS}",
            name="older",
            created="2001-01-01T00:00:00Z",
        )
    )
    assert allocated(mesh, "a.com", "b.com") == [first, second] == allocated(Mesh(entry(TWO % "")), "a.com", "b.com")
    mesh.add(entry(TWO % ", addresses: [10.9.8.7]"))
    assert allocated(mesh, "a.com", "b.com") == [(), ()]


def test_who_does_not_need_or_want_an_address() -> None:
    opted_out = entry("{hosts: [out.com], ports: [{number: 1, name: x}], resolution: DNS}", name="out").replace(
        "name: out\n", "name: out\n  labels: {networking.istio.io/enable-autoallocate-ip: 'false'}\n", 1
    )
    mesh = Mesh(
        opted_out,
        entry("{hosts: [none.com], ports: [{number: 1, name: x}]}", name="none"),
        entry("{hosts: ['*.static.com'], ports: [{number: 1, name: x}], resolution: STATIC}", name="wildcard"),
        entry(
            "{hosts: ['*.dynamic.com'], ports: [{number: 1, name: tls, protocol: TLS}], resolution: DYNAMIC_DNS}",
            name="dynamic",
        ),
    )
    assert allocated(mesh, "out.com", "none.com", "*.static.com", "nobody.com") == [(), (), (), ()]
    assert len(allocated_addresses(mesh.db, "default", "*.dynamic.com")) == 2


def test_addresses_in_the_status_are_kept() -> None:
    status = {"240.240.7.7": "a.com", "2001:2::7": "a.com"}
    mesh = Mesh(with_status(entry(TWO % ""), status))
    assert allocated(mesh, "a.com") == [("240.240.7.7", "2001:2::7")]
    assert allocated(mesh, "b.com") == allocated(Mesh(entry(TWO % "")), "b.com")


def test_users_and_older_entries_win_a_conflict() -> None:
    status = {"240.240.7.7": "a.com"}
    older = with_status(entry(TWO % "", name="older"), status)
    younger = with_status(
        entry("{hosts: [y.com], ports: [{number: 1, name: x}], resolution: DNS}", created="2026-02-01T00:00:00Z"),
        {"240.240.7.7": "y.com"},
    )
    mesh = Mesh(younger, older)
    assert allocated(mesh, "a.com") == [("240.240.7.7",)]
    assert allocated(mesh, "y.com") != [("240.240.7.7",)]
    user = "{hosts: [u.com], addresses: [240.240.7.7/32], ports: [{number: 1, name: x}], resolution: DNS}"
    mesh.add(entry(user, name="user"))
    assert allocated(mesh, "a.com") != [("240.240.7.7",)]


def test_a_status_that_makes_no_sense_is_no_address() -> None:
    mesh = Mesh(with_status(entry(TWO % ""), {"nonsense": "a.com"}))
    assert allocated(mesh, "a.com") == allocated(Mesh(entry(TWO % "")), "a.com")


def test_names_that_would_get_one_address_get_different_ones() -> None:
    (wanted,) = allocated(Mesh(entry(TWO % "")), "a.com")
    taken = f"{{hosts: [u.com], addresses: [{wanted[0]}], ports: [{{number: 1, name: x}}], resolution: DNS}}"
    (other,) = allocated(Mesh(entry(TWO % ""), entry(taken, name="user")), "a.com")
    assert other
    assert not {*other} & {*wanted}


def test_only_proxies_whose_workloads_are_told_dial_them() -> None:
    mesh = Mesh(entry(TWO % ""), service())
    asking = msgspec.structs.replace(SIDECAR, answers_dns=True)
    for proxy, expected in ((SIDECAR, ()), (asking, allocated(mesh, "a.com")[0])):
        (scope,) = egress_scopes(mesh.db, scope_key(mesh.db, mesh.view(proxy)))
        found = {each.hostname: each.addresses for each in scope.services}
        assert found["a.com"] == expected
        assert found["web.default.svc.cluster.local"] == ("10.0.0.1",)

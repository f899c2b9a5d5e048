"""Under which names a client can call a service, and who gets a name that two could have."""

import pytest

from translator.model.protocol import Protocol
from translator.model.proxy import IpFamilies
from translator.model.service import Resolution, Service, ServicePort
from translator.objects.registry import Kind, ObjectKey
from translator.routes.domains import ClientNames, derived_names, service_domains, usable_addresses


def service(hostname: str, *, headless: bool = False, addresses: tuple[str, ...] = ()) -> Service:
    return Service(
        hostname=hostname,
        namespace="default",
        source=ObjectKey(Kind.SERVICE, "default", "it"),
        kubernetes=headless,
        created="",
        resolution=Resolution.PASSTHROUGH if headless else Resolution.CLIENT_SIDE,
        ports=(ServicePort(80, "http", Protocol.HTTP),),
        addresses=addresses,
        export=("*",),
    )


def client(dns_domain: str = "", port: int = 80, families: IpFamilies = IpFamilies.V4) -> ClientNames:
    return ClientNames(dns_domain, families, port)


ECHO = "echo.default.svc.cluster.local"
CAMPUS = "foo.local.campus.net"


@pytest.mark.parametrize(
    ("hostname", "dns_domain", "names"),
    [
        (ECHO, "default.svc.cluster.local", ["echo", "echo.default.svc", "echo.default"]),
        (ECHO, "mesh.svc.cluster.local", ["echo.default", "echo.default.svc"]),
        ("foo.default.svc.bar.baz", "default.svc.cluster.local", []),
        ("google.local", "default.svc.cluster.local", []),
        ("api.example.com", "default.svc.cluster.local", []),
        ("*.example.com", "default.svc.cluster.local", []),
        ("svc.svc.cluster.local", "default.svc.cluster.local", []),
        (CAMPUS, "local.campus.net", ["foo"]),
        (CAMPUS, "remote.campus.net", ["foo.local", "foo.local.campus"]),
        (CAMPUS, "example.com", []),
        (CAMPUS, "", []),
        ("campus.net", "campus.net", []),
    ],
)
def test_case_01_short_names_are_those_that_the_clients_resolver_completes(
    hostname: str, dns_domain: str, names: list[str]
) -> None:
    assert list(derived_names(hostname, dns_domain)) == [f"{hostname}.", *names]


@pytest.mark.parametrize("address", ["10.0.0.1", "2001:db8::1"])
def test_case_02_addresses_have_no_other_form(address: str) -> None:
    assert list(derived_names(address, "default.svc.cluster.local")) == []


def test_case_01_all_domains_of_a_service_in_order() -> None:
    found = service_domains(service(ECHO, addresses=("10.0.0.1",)), 80, (), client("default.svc.cluster.local"))
    assert found.every == (ECHO, f"{ECHO}.", "echo", "echo.default.svc", "echo.default", "10.0.0.1")
    assert found.derived == {f"{ECHO}.", "echo", "echo.default.svc", "echo.default"}


def test_case_02_pods_of_a_headless_service_are_below_every_name() -> None:
    found = service_domains(service(ECHO, headless=True), 80, (), client("mesh.svc.cluster.local"))
    forms = (ECHO, f"{ECHO}.", "echo.default", "echo.default.svc")
    assert found.every == (*forms, *(f"*.{form}" for form in forms))
    assert "*.echo.default" in found.derived
    assert f"*.{ECHO}" not in found.derived


def test_case_31_aliases_lead_to_the_service_in_all_of_their_forms() -> None:
    found = service_domains(service("real.com"), 80, (ECHO,), client("mesh.svc.cluster.local"))
    assert found.every == ("real.com", "real.com.", ECHO, f"{ECHO}.", "echo.default", "echo.default.svc")
    assert ECHO not in found.derived


@pytest.mark.parametrize(
    ("families", "expected"),
    [
        (IpFamilies.V4, ["10.0.0.1"]),
        (IpFamilies.V6, ["[2001:db8::1]"]),
        (IpFamilies.DUAL, ["10.0.0.1", "[2001:db8::1]"]),
    ],
)
def test_case_02_addresses_are_of_the_clients_ip_versions(families: IpFamilies, expected: list[str]) -> None:
    addresses = ("10.0.0.1", "2001:db8::1", "0.0.0.0", "::", "10.1.0.0/16")  # noqa: S104 - an address to leave out
    assert list(usable_addresses(addresses, families)) == expected


@pytest.mark.parametrize(
    ("port", "expected"),
    [
        (80, ("a.com", "a.com:80", "a.com.", "a.com.:80", "[2001:db8::1]", "[2001:db8::1]:80")),
        (8080, ("a.com:8080", "a.com.:8080", "[2001:db8::1]:8080")),
    ],
)
def test_case_07_a_table_of_all_ports_spells_ports_out(port: int, expected: tuple[str, ...]) -> None:
    names = client(port=0, families=IpFamilies.V6)
    assert service_domains(service("a.com", addresses=("2001:db8::1",)), port, (), names).every == expected


def test_an_ipv6_hostname_is_bracketed() -> None:
    assert service_domains(service("2001:db8::1"), 80, (), client()).every == ("[2001:db8::1]",)

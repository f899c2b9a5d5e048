"""For each kind of security policy, exactly which proxies get which names of which types."""

import pytest

from tests.unit.translator.clusters.push_kit import (
    BASE,
    DB,
    IDENTIFIED,
    OTHER,
    OWN,
    PEERS,
    SECURED,
    Fleet,
    Names,
    differ,
    everyone,
    web,
)
from tests.unit.translator.mesh_kit import (
    authorization,
    peers,
    pod,
)


def policy(mode: str, **more: str) -> str:
    return peers(f"{{mtls: {{mode: {mode}}}}}", **more)


INBOUND: Names = {"LDS": {"virtualInbound"}}
PLAIN: Names = {"CDS": {*web(), OTHER}, "EDS": web(("", "v1"))}
# To gateways headless services are like all others; sidecars dial their pods.
AT_GATEWAY: Names = {"CDS": {*web(), OTHER, DB, PEERS}, "EDS": web(("", "v1"))}
POLICIES: dict[str, tuple[str, dict[str, Names]]] = {
    "a namespace goes without": (
        policy("DISABLE"),
        {"client": {**PLAIN, **INBOUND}, "pod": {**PLAIN, **INBOUND}, "gateway": AT_GATEWAY},
    ),
    "a namespace insists": (policy("STRICT"), {"client": INBOUND, "pod": INBOUND}),
    "another namespace goes without": (
        policy("DISABLE", namespace="far"),
        differ(everyone(CDS={OWN}), stranger={"CDS": {OWN}, **INBOUND}),
    ),
    "the mesh goes without": (
        policy("DISABLE", namespace="istio-system"),
        {
            "client": {**PLAIN, "CDS": {*PLAIN["CDS"], OWN}, **INBOUND},
            "pod": {**PLAIN, "CDS": {*PLAIN["CDS"], OWN}, **INBOUND},
            "gateway": {**AT_GATEWAY, "CDS": {*AT_GATEWAY["CDS"], OWN}},
            "stranger": {"CDS": {OWN}, **INBOUND},
        },
    ),
    "a workload goes without": (
        peers("{selector: {matchLabels: {app: web}}, mtls: {mode: DISABLE}}"),
        differ(everyone(EDS=web(("", "v1"))), pod=INBOUND),
    ),
}


@pytest.mark.parametrize("change", POLICIES)
def test_whom_a_peer_authentication_concerns(change: str) -> None:
    written, expected = POLICIES[change]
    fleet = Fleet(*BASE, pod("web-1", "10.1.0.1", labels=SECURED), proxies=IDENTIFIED)
    assert fleet.add(written) == expected
    assert Fleet(*BASE).add(written) == {}, "without certificates nobody speaks mesh TLS"


FOR_WEB = "selector: {matchLabels: {app: web}}"
AUTHORIZATIONS: dict[str, tuple[str, dict[str, Names]]] = {
    "of the namespace": (authorization("{}"), {"client": INBOUND, "pod": INBOUND}),
    "of the mesh": (
        authorization("{}", namespace="istio-system"),
        dict.fromkeys(("client", "pod", "stranger"), INBOUND),
    ),
    "of the mesh for some workloads": (
        authorization(f"{{{FOR_WEB}}}", namespace="istio-system"),
        {"pod": INBOUND},
    ),
    "of another namespace": (authorization("{}", namespace="far"), {"stranger": INBOUND}),
    "of a namespace without proxies": (authorization("{}", namespace="elsewhere"), {}),
    "for a workload": (authorization(f"{{{FOR_WEB}}}"), {"pod": INBOUND}),
    "for nobody": (authorization("{selector: {matchLabels: {app: nobody}}}"), {}),
    "whose decision is another's": (authorization("{action: CUSTOM, provider: {name: a}, rules: [{}]}"), {}),
}


@pytest.mark.parametrize("change", AUTHORIZATIONS)
def test_whom_an_authorization_policy_concerns(change: str) -> None:
    written, expected = AUTHORIZATIONS[change]
    fleet = Fleet(*BASE)
    assert fleet.add(written) == expected
    again = written.replace("name: policy\n", "name: policy\n  annotations: {x: y}\n", 1)
    assert fleet.add(again) == {}, "what is not read is no change"
    assert fleet.remove(written) == expected

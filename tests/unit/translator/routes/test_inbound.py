"""The inline table of inbound listeners."""

import pytest

from tests.unit.translator.routes.tables import tree
from translator.model.protocol import Protocol
from translator.routes.inbound import InboundRoute, build_inbound_route

RETRY = {"retry_on": "reset-before-request", "num_retries": 2}


@pytest.mark.parametrize(
    ("protocol", "retry"),
    [
        (Protocol.HTTP, {"retry_policy": RETRY}),
        (Protocol.HTTP2, {"retry_policy": RETRY}),
        (Protocol.AUTO, {"retry_policy": RETRY}),
        (Protocol.GRPC, {}),
        (Protocol.GRPC_WEB, {}),
    ],
)
def test_case_24_everything_goes_to_the_workloads_port(protocol: Protocol, retry: dict[str, object]) -> None:
    host = "reviews.default.svc.cluster.local"
    inputs = InboundRoute(cluster="inbound|8080||", service_port=9080, hostname=host, protocol=protocol)
    route = {
        "name": "default",
        "match": {"prefix": "/"},
        "decorator": {"operation": f"{host}:9080/*"},
        "route": {
            "cluster": "inbound|8080||",
            "timeout": "0s",
            "max_stream_duration": {"max_stream_duration": "0s", "grpc_timeout_header_max": "0s"},
            **retry,
        },
    }
    assert tree(build_inbound_route(inputs)) == {
        "name": "inbound|8080||",
        "validate_clusters": False,
        "virtual_hosts": [{"name": "inbound|http|9080", "domains": ["*"], "routes": [route]}],
    }


def test_a_port_without_service_is_named_by_its_number() -> None:
    built = build_inbound_route(InboundRoute(cluster="InboundPassthroughCluster", service_port=0))
    assert built.virtual_hosts[0].routes[0].decorator.operation == ":0/*"

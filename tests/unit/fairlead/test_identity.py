"""The Node of a proxy says everything that the model reads from it."""

from typing import Any

import pytest
from envoy.config.core.v3 import base_pb2
from google.protobuf import json_format

from fairlead.identity import ProxyIdentity
from translator.model.proxy import Capture, Role, parse_node


def identity(**fields: Any) -> ProxyIdentity:  # noqa: ANN401 - any field
    defaults: dict[str, Any] = {
        "role": Role.SIDECAR,
        "namespace": "shop",
        "name": "web-1",
        "addresses": ("10.1.2.3", "fd00::1"),
    }
    return ProxyIdentity(**{**defaults, **fields})


def test_the_node_is_read_back() -> None:
    source = identity(
        labels={"app": "web", "version": "v1"},
        cluster_id="east",
        network="net",
        locality=("eu", "eu-a"),
        capture=Capture.TPROXY,
        unprivileged=True,
    )
    proxy = parse_node(json_format.ParseDict(source.node(), base_pb2.Node()))
    assert proxy.id == "web-1.shop"
    assert proxy.role is Role.SIDECAR
    assert proxy.addresses == source.addresses
    assert dict(proxy.labels) == source.labels
    assert (proxy.cluster_id, proxy.network, proxy.locality) == ("east", "net", "eu/eu-a/")
    assert proxy.capture is Capture.TPROXY
    assert proxy.unprivileged
    assert proxy.reserved_ports == (15021, 15090)
    assert proxy.dns_domain == "shop.svc.cluster.local"


def test_names() -> None:
    source = identity(labels={"app": "web"})
    assert source.node_id == "sidecar~10.1.2.3~web-1.shop~shop.svc.cluster.local"
    assert source.node_cluster == "web.shop"
    assert identity(labels={"app": "web", "app.kubernetes.io/name": "shop-web"}).workload == "shop-web"
    assert identity().node_cluster == "web-1.shop"


def test_metadata_is_text() -> None:
    metadata = identity(labels={"a": "b"}).metadata()
    assert metadata.pop("LABELS") == {"a": "b"}
    assert all(isinstance(value, str) and value for value in metadata.values())
    assert metadata["INTERCEPTION_MODE"] == "REDIRECT"
    assert "INTERCEPTION_MODE" not in identity(role=Role.GATEWAY).metadata()


@pytest.mark.parametrize(
    "fields",
    [{"addresses": ()}, {"addresses": ("nowhere",)}, {"namespace": ""}, {"name": ""}, {"name": "a~b"}],
)
def test_what_makes_no_sense(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"proxy|address"):
        identity(**fields)

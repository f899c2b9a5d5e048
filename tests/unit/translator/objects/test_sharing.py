"""Parts that objects have in common are held once, and no object changes with another."""

import msgspec

from translator.decode import decode_json, decode_object
from translator.objects.core import EndpointSlice, Pod, Service
from translator.objects.registry import Kind


def _pod(name: str, address: str, app: str = "web") -> Pod:
    document = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "team", "labels": {"app": app}},
        "spec": {
            "nodeName": "node-1",
            "containers": [{"name": "app", "ports": [{"containerPort": 8080}]}],
        },
        "status": {"podIP": address, "podIPs": [{"ip": address}], "conditions": [{"type": "Ready", "status": "True"}]},
    }
    by_json = decode_json(Kind.POD, msgspec.json.encode(document)).object
    by_document = decode_object(document).object
    assert isinstance(by_json, Pod)
    assert by_json == by_document == msgspec.convert(document, Pod)
    return by_json


def test_pods_of_a_deployment_share_what_they_have_alike() -> None:
    first, second = _pod("web-1", "10.0.0.1"), _pod("web-2", "10.0.0.2")
    assert first.metadata.namespace is second.metadata.namespace
    assert first.metadata.labels is second.metadata.labels
    assert first.metadata.annotations is second.metadata.annotations
    assert first.spec.node_name is second.spec.node_name
    assert first.spec.containers is second.spec.containers
    assert first.status.conditions is second.status.conditions
    assert first.status.pod_ip is first.status.pod_ips[0].ip


def test_a_pod_with_other_labels_leaves_the_others_theirs() -> None:
    first, second = _pod("web-1", "10.0.0.1"), _pod("web-2", "10.0.0.2", app="api")
    assert first.metadata.labels == {"app": "web"}
    assert second.metadata.labels == {"app": "api"}
    assert first.spec.containers is second.spec.containers


def test_an_endpoint_shares_the_texts_that_many_have() -> None:
    pod = _pod("web-1", "10.0.0.1")
    raw = {
        "metadata": {"name": "web-x", "namespace": "team"},
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": ["10.0.0.1"],
                "conditions": {"ready": True},
                "targetRef": {"kind": "Pod", "namespace": "team", "name": "web-1"},
                "nodeName": "node-1",
            },
            {"addresses": ["10.0.0.2"], "conditions": {"ready": True}},
        ],
        "ports": [{"name": "http", "port": 8080}],
    }
    found = decode_json(Kind.ENDPOINT_SLICE, msgspec.json.encode(raw)).object
    assert isinstance(found, EndpointSlice)
    assert found == msgspec.convert(raw, EndpointSlice)
    first, second = found.endpoints
    assert first.target_ref is not None
    assert first.target_ref.namespace is pod.metadata.namespace
    assert first.node_name is pod.spec.node_name
    assert first.conditions is second.conditions


def test_a_target_port_by_number_is_none_by_name() -> None:
    def target(port: object) -> object:
        raw = {"metadata": {"name": "web"}, "spec": {"ports": [{"port": 80, "targetPort": port}]}}
        found = decode_json(Kind.SERVICE, msgspec.json.encode(raw)).object
        assert isinstance(found, Service)
        return found.spec.ports[0].target_port

    assert (target(80), target("80")) == (80, "80")

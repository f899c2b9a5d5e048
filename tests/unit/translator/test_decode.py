"""Documents and API responses become typed objects, or a full list of what is wrong with them."""

from pathlib import Path

import msgspec
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.translator.json_strategy import JSON, json_of
from translator.decode import Decoded, decode_json, decode_object, decode_record, iter_documents
from translator.diagnostics import Severity
from translator.objects.core import EndpointSlice, Secret, Service
from translator.objects.duration import Duration
from translator.objects.mesh_config import MeshConfig
from translator.objects.registry import KINDS, Kind, KindSpec, ObjectKey
from translator.objects.virtual_service import StringMatch, VirtualService
from translator.validation import validate


def decode(text: str) -> Decoded:
    return decode_object(yaml.safe_load(text))


def faults(decoded: Decoded) -> list[str]:
    return [str(violation) for violation in decoded.violations]


def api_version(spec: KindSpec) -> str:
    return f"{spec.group}/{spec.versions[0]}" if spec.group else spec.versions[0]


def virtual_service(spec: str) -> Decoded:
    return decode(f"{{apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: {{name: a}}, spec: {spec}}}")


def test_an_istio_object_is_decoded_with_key_and_default_namespace() -> None:
    decoded = virtual_service("{hosts: [reviews], http: [{timeout: 1h30m, route: [{destination: {host: reviews}}]}]}")

    assert decoded.key == ObjectKey(Kind.VIRTUAL_SERVICE, "default", "a")
    assert decoded.label == "VirtualService default/a"
    assert decoded.violations == ()
    assert isinstance(decoded.object, VirtualService)
    assert decoded.object.metadata.namespace == "default"
    assert decoded.object.spec.http[0].timeout == Duration.of(seconds=5400)


def test_objects_of_the_whole_cluster_have_no_namespace() -> None:
    decoded = decode("{apiVersion: v1, kind: Namespace, metadata: {name: shop, namespace: odd}}")

    assert decoded.key == ObjectKey(Kind.NAMESPACE, "", "shop")


def test_a_namespace_of_its_own_stays() -> None:
    document = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "shop"}}

    assert decode_object(document, default_namespace="other").key == ObjectKey(Kind.SERVICE, "shop", "a")


def test_every_fault_at_every_depth_is_reported_at_once() -> None:
    decoded = decode("""
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: a, labels: {version: 1.16}}
        spce: {}
        spec:
          hosts: reviews
          http:
          - mtch: []
            timeout: 5
            retries: {perTryTimeout: 1x}
            route:
            - {weight: ten, destination: {host: reviews, prt: {}}}
            - {weight: 10}
            match: [{headers: {x: null}}, null]
            directResponse: {status: -1, body: {bytes: '$'}}
            corsPolicy: {unmatchedPreflights: forwrd}
        """)

    assert decoded.object is None
    assert decoded.key == ObjectKey(Kind.VIRTUAL_SERVICE, "default", "a")
    assert faults(decoded) == [
        "metadata.labels[version]: expected str, got float; put it in quotes",
        "spec.hosts: expected array, got str",
        "spec.http[0].mtch: unknown field; did you mean match?",
        "spec.http[0].timeout: expected a duration such as 1.5s, got int",
        (
            "spec.http[0].retries.perTryTimeout: invalid duration '1x': "
            "expected a number with a unit, such as 1.5s or 1h30m"
        ),
        "spec.http[0].route[0].weight: expected int, got str",
        "spec.http[0].route[0].destination.prt: unknown field; did you mean port?",
        "spec.http[0].route[1].destination: required field is missing",
        "spec.http[0].match[0].headers[x]: expected object, got null",
        "spec.http[0].match[1]: expected object, got null",
        "spec.http[0].directResponse.status: expected int >= 0",
        "spec.http[0].directResponse.body.bytes: invalid base64 encoded string",
        (
            "spec.http[0].corsPolicy.unmatchedPreflights: unknown value 'forwrd'; did you mean FORWARD?"
            " (known: UNSPECIFIED, FORWARD, IGNORE)"
        ),
        "spce: unknown field; did you mean spec?",
    ]


def test_null_means_unset() -> None:
    decoded = decode("""
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: a, namespace: null, labels: null, creationTimestamp: null}
        spec: {hosts: [reviews], gateways: null, http: [{name: null, route: [{destination: {host: a, port: null}}]}]}
        """)

    assert decoded.violations == ()
    assert isinstance(decoded.object, VirtualService)
    assert decoded.object.spec.gateways == ()


def test_null_asks_for_mere_presence_where_istio_has_it_so() -> None:
    decoded = virtual_service("{hosts: [a], http: [{match: [{withoutHeaders: {x: null}, queryParams: {q: null}}]}]}")

    assert isinstance(decoded.object, VirtualService)
    match = decoded.object.spec.http[0].match[0]
    assert match.without_headers == {"x": None}
    assert match.query_params == {"q": None}


def test_the_one_field_that_has_two_names_is_read_by_both() -> None:
    decoded = virtual_service("{hosts: [a], http: [{mirror_percent: 7}]}")

    assert isinstance(decoded.object, VirtualService)
    assert decoded.object.spec.http[0].mirror_percent == 7


def test_keys_that_are_not_text_are_reported() -> None:
    decoded = decode("{apiVersion: v1, kind: Service, metadata: {name: a, labels: {1: x}}}")

    assert faults(decoded) == ["metadata.labels[1]: expected a text key, got int; put it in quotes"]


def test_unknown_fields_of_kubernetes_objects_are_skipped() -> None:
    decoded = decode("{apiVersion: v1, kind: Service, metadata: {name: a, uid: u}, spec: {sessionAffinity: None}}")

    assert isinstance(decoded.object, Service)


def test_bookkeeping_does_not_make_a_difference() -> None:
    one = decode("{apiVersion: v1, kind: Service, metadata: {name: a, resourceVersion: '1', uid: x}}")
    two = decode("{apiVersion: v1, kind: Service, metadata: {name: a, resourceVersion: '2', uid: y}}")

    assert one.object == two.object


def test_key_material_is_decoded() -> None:
    decoded = decode("{apiVersion: v1, kind: Secret, metadata: {name: a}, data: {tls.key: cHJpdmF0ZQ==}}")

    assert isinstance(decoded.object, Secret)
    assert decoded.object.value("tls.key") == b"private"


@pytest.mark.parametrize(
    ("text", "reasons"),
    [
        ("[]", ["expected an object with apiVersion, kind and metadata"]),
        ("{}", ["apiVersion: required field is missing", "kind: required field is missing"]),
        ("{apiVersion: 1, kind: Service}", ["apiVersion: expected str"]),
        ("{apiVersion: v1, kind: Service}", ["metadata: required field is missing"]),
        ("{apiVersion: v1, kind: Service, metadata: {}}", ["metadata.name: required field is missing"]),
        ("{apiVersion: v1, kind: Service, metadata: {name: ''}}", ["metadata.name: must not be empty"]),
        ("{apiVersion: v1, kind: Service, metadata: a}", ["metadata: expected object, got str"]),
    ],
)
def test_documents_without_identity_are_refused(text: str, reasons: list[str]) -> None:
    decoded = decode(text)

    assert faults(decoded) == reasons
    assert (decoded.key, decoded.object, decoded.ignored) == (None, None, False)


@pytest.mark.parametrize(
    ("api_version", "kind", "reason"),
    [
        ("networking.istio.io/v1", "VirtualServce", "kind: unknown kind 'VirtualServce'"),
        ("networking.istio.io/v1alpha4", "VirtualService", "apiVersion: version 'v1alpha4' of VirtualService"),
        ("discovery.k8s.io/v1beta1", "EndpointSlice", "apiVersion: version 'v1beta1' of EndpointSlice"),
        ("networking.isto.io/v1", "VirtualService", "did you mean networking.istio.io?"),
        ("v1", "VirtualService", "apiVersion: VirtualService belongs to networking.istio.io/v1"),
        ("v1", "Servce", "did you mean Service?"),
    ],
)
def test_a_slip_of_the_pen_in_the_kind_is_an_error(api_version: str, kind: str, reason: str) -> None:
    decoded = decode_object({"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}})

    [violation] = decoded.violations
    assert reason in str(violation)
    assert violation.severity is Severity.ERROR
    assert not decoded.ignored


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [("apps/v1", "Deployment"), ("v1", "ServiceAccount"), ("apiextensions.k8s.io/v1", "CustomResourceDefinition")],
)
def test_kinds_of_kubernetes_that_shape_no_mesh_are_ignored(api_version: str, kind: str) -> None:
    decoded = decode_object({"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}})

    assert decoded.ignored
    assert decoded.violations == ()


@pytest.mark.parametrize(
    ("api_version", "kind"),
    [
        ("gateway.networking.k8s.io/v1", "TLSRoute"),
        ("networking.k8s.io/v1", "Ingress"),
        ("install.istio.io/v1alpha1", "IstioOperator"),
        ("cert-manager.io/v1", "Certificate"),
    ],
)
def test_kinds_from_which_users_may_expect_something_are_ignored_with_a_warning(api_version: str, kind: str) -> None:
    decoded = decode_object({"apiVersion": api_version, "kind": kind, "metadata": {"name": "a"}})

    assert decoded.ignored
    assert [violation.severity for violation in decoded.violations] == [Severity.WARNING]


def test_the_items_of_lists_are_documents() -> None:
    item = {"metadata": {"name": "a"}}
    whole = {"apiVersion": "v1", "kind": "Service", **item}
    typed = {"apiVersion": "networking.istio.io/v1", "kind": "SidecarList", "items": [item]}

    documents = list(iter_documents({"apiVersion": "v1", "kind": "List", "items": [whole, typed, None]}))

    assert documents == [whole, {"apiVersion": "networking.istio.io/v1", "kind": "Sidecar", **item}]
    assert list(iter_documents(None)) == []
    assert list(iter_documents(whole)) == [whole]


def test_api_responses_are_decoded_straight_from_their_bytes() -> None:
    decoded = decode_json(
        Kind.ENDPOINT_SLICE,
        b'{"metadata": {"name": "a", "namespace": "shop", "managedFields": [{}]}, "endpoints": null,'
        b' "ports": [{"name": "http", "port": 80}]}',
    )

    assert decoded.key == ObjectKey(Kind.ENDPOINT_SLICE, "shop", "a")
    assert isinstance(decoded.object, EndpointSlice)
    assert decoded.object.ports[0].port == 80


def test_a_faulty_api_response_is_reported_like_a_document() -> None:
    raw = b'{"metadata": {"name": "a", "namespace": "shop"}, "spec": {"ports": [{"port": "80"}], "type": 1}}'

    decoded = decode_json(Kind.SERVICE, raw)

    assert decoded.label == "Service shop/a"
    assert faults(decoded) == [
        "spec.ports[0].port: expected int, got str",
        "spec.type: expected str, got int; put it in quotes",
    ]


@pytest.mark.parametrize("raw", [b"", b"[]", b"\xff", b"[" * 100_000, b'{"metadata": {"name": "\xff"}}'])
def test_bytes_that_are_no_object_are_reported(raw: bytes) -> None:
    decoded = decode_json(Kind.POD, raw)

    assert decoded.object is None
    assert len(decoded.violations) == 1


def test_records_beside_objects_are_decoded_too() -> None:
    config, violations = decode_record({"connectTimeout": "3s"}, MeshConfig)

    assert violations == ()
    assert config is not None
    assert config.connect_timeout == Duration.of(seconds=3)


@given(JSON)
def test_no_json_makes_it_raise(document: object) -> None:
    for item in iter_documents(document):
        decode_object(item)


@given(st.sampled_from(KINDS), JSON, JSON)
def test_no_specification_makes_it_raise(spec: KindSpec, metadata: object, body: object) -> None:
    document = {"apiVersion": api_version(spec), "kind": spec.kind.bare, "metadata": metadata, "spec": body}

    decoded = decode_object(document)

    faulty = any(violation.severity is Severity.ERROR for violation in decoded.violations)
    assert (decoded.object is None) == faulty


@given(st.data())
def test_whatever_has_the_right_types_decodes_and_can_be_validated(data: st.DataObject) -> None:
    spec = data.draw(st.sampled_from(KINDS))
    document = data.draw(json_of(spec.struct))
    assert isinstance(document, dict)

    decoded = decode_object({**document, "apiVersion": api_version(spec), "kind": spec.kind.bare})

    if decoded.object is None:
        assert faults(decoded) == ["metadata.name: must not be empty"]
    else:
        assert all(violation.reason for violation in validate(decoded.object))
        assert decode_json(spec.kind, msgspec.json.encode(document)).violations == ()


@given(st.sampled_from(KINDS), st.binary() | JSON.map(lambda value: repr(value).encode()))
def test_no_bytes_make_it_raise(spec: KindSpec, raw: bytes) -> None:
    decode_json(spec.kind, raw)


def test_all_samples_decode_and_hold(samples: Path) -> None:
    decoded = [
        (path.name, decode_object(document))
        for path in sorted(samples.rglob("*.yaml"))
        for content in yaml.load_all(path.read_text(), Loader=yaml.CSafeLoader)
        for document in iter_documents(content)
    ]

    objects = [(name, result.object) for name, result in decoded if result.object is not None]

    assert [name for name, result in decoded if result.violations] == []
    assert len(objects) > 50
    assert [
        (name, str(violation))
        for name, found in objects
        for violation in validate(found)
        if violation.severity is Severity.ERROR
    ] == []


def test_what_a_document_says_beside_faulty_fields_can_be_looked_at_too() -> None:
    document = {
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "web"},
        "spec": {"hosts": ["web"], "http": [{"nam": "x", "match": [{"uri": {"regex": "("}}]}]},
    }
    decoded = decode_object(document)
    assert decoded.object is None
    assert [violation.path for violation in decoded.violations] == ["spec.http[0].nam"]
    assert isinstance(decoded.draft, VirtualService)
    assert decoded.draft.spec.http[0].match[0].uri == StringMatch(regex="(")
    assert {"spec.http[0].nam", "spec.http[0].name"} <= set(decoded.doubtful)
    assert "spec.http[0].match" not in decoded.doubtful


def test_what_is_of_a_wrong_type_is_empty_in_the_draft() -> None:
    rules = [
        {"timeout": 5, "match": [{"uri": {"regex": "("}}], "headers": {"request": {"set": {"a": 1, "b": "x"}}}},
        {"route": [{"destination": {"host": ["web"]}}], "rewrite": {"uri": "/"}},
    ]
    decoded = decode_object(
        {
            "apiVersion": "networking.istio.io/v1",
            "kind": "VirtualService",
            "metadata": {"name": "web"},
            "spec": {"hosts": "web", "http": rules},
        }
    )
    assert decoded.object is None
    assert isinstance(decoded.draft, VirtualService)
    assert decoded.draft.spec.hosts == ()
    first, second = decoded.draft.spec.http
    assert first.timeout is None
    assert first.match[0].uri == StringMatch(regex="(")
    assert first.headers is not None
    assert first.headers.request is not None
    assert first.headers.request.set == {"a": "", "b": "x"}
    assert second.route[0].destination.host == ""
    assert second.rewrite is not None
    assert decoded.doubtful == (
        "spec.hosts",
        "spec.http[0].timeout",
        "spec.http[0].headers.request.set[a]",
        "spec.http[1].route[0].destination.host",
    )

"""A file becomes objects with their places, and findings with file, document, line, field and reason."""

import json
import textwrap
from typing import Any

import pytest

from fairlead.finding import Place
from fairlead.sources.document import ParsedFile, parse_file
from translator.diagnostics import Severity
from translator.objects.registry import Kind, ObjectKey

SERVICE: dict[str, Any] = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "a", "namespace": "shop"}}


def parse(text: str, name: str = "mesh.yaml") -> ParsedFile:
    return parse_file(textwrap.dedent(text).encode(), name)


def key(name: str, namespace: str = "default", kind: Kind = Kind.SERVICE) -> ObjectKey:
    return ObjectKey(kind, namespace, name)


def test_objects_have_their_places() -> None:
    parsed = parse("""\
        apiVersion: v1
        kind: Service
        metadata: {name: a, namespace: shop}
        ---
        # empty
        ---
        apiVersion: v1
        kind: Service
        metadata: {name: b}
        """)
    assert [(each.key, each.place) for each in parsed.objects] == [
        (key("a", "shop"), Place("mesh.yaml", 1, 1)),
        (key("b"), Place("mesh.yaml", 3, 7)),
    ]
    assert parsed.findings == ()
    assert parsed.is_complete


@pytest.mark.parametrize("kind", ["List", "ServiceList"])
@pytest.mark.parametrize("name", ["list.yaml", "list.json"])
def test_lists_are_taken_apart(kind: str, name: str) -> None:
    items: list[dict[str, Any]] = [{"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}]
    if kind == "List":
        items = [{"apiVersion": "v1", "kind": "Service", **item} for item in items]
    parsed = parse(json.dumps({"apiVersion": "v1", "kind": kind, "items": items}), name)
    assert [each.key for each in parsed.objects] == [key("a"), key("b")]


def test_a_fault_names_document_line_field_and_reason() -> None:
    parsed = parse("""\
        apiVersion: v1
        kind: Service
        metadata: {name: fine}
        ---
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: a, namespace: shop}
        spec:
          hosts: [a]
          http:
          - route:
            - destination: {host: a}
              wieght: 50
        """)
    assert [each.key.name for each in parsed.objects] == ["fine"]
    assert parsed.broken == {key("a", "shop", Kind.VIRTUAL_SERVICE)}
    assert parsed.is_complete
    (finding,) = parsed.findings
    assert finding.fields() == {
        "severity": "error",
        "code": "IST0106",
        "object": "VirtualService shop/a",
        "file": "mesh.yaml",
        "document": 2,
        "line": 13,
        "field": "spec.http[0].route[0].wieght",
        "reason": "unknown field; did you mean weight?",
    }
    assert str(finding) == (
        "mesh.yaml:13 (document 2): error: VirtualService shop/a: spec.http[0].route[0].wieght: "
        "unknown field; did you mean weight? [IST0106]"
    )


def test_unknown_fields_do_not_hide_other_faults_and_cause_no_imagined_ones() -> None:
    parsed = parse("""\
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: web}
        spec:
          hosts: [web]
          http:
          - match: [{uri: {regex: "("}}]
            rout: [{destination: {host: web}}]
        """)
    assert sorted(finding.path for finding in parsed.findings) == [
        "spec.http[0].match[0].uri.regex",
        "spec.http[0].rout",
    ]
    assert not parsed.objects


def test_wrong_types_do_not_hide_other_faults_and_cause_no_imagined_ones() -> None:
    parsed = parse("""\
        apiVersion: networking.istio.io/v1
        kind: VirtualService
        metadata: {name: web}
        spec:
          hosts: web
          http:
          - match: [{uri: {regex: "("}}]
            timeout: 5
            route:
            - destination: {host: 7}
              weight: "0"
            - destination: {host: web}
              weight: 0
              headers: {request: {set: {":path": /}}}
          - 12
          - redirect: {redirectCode: 304}
            route: [{destination: {host: web}}]
        """)
    assert sorted(finding.path for finding in parsed.findings) == [
        "spec.hosts",
        "spec.http[0].match[0].uri.regex",
        "spec.http[0].route[0].destination.host",
        "spec.http[0].route[0].weight",
        "spec.http[0].route[1].headers.request.set[:path]",
        "spec.http[0].timeout",
        "spec.http[1]",
        "spec.http[2].redirect",
        "spec.http[2].redirect.redirectCode",
        "spec.http[2].route",
    ]


def test_an_item_of_a_list_has_its_own_line() -> None:
    parsed = parse("""\
        apiVersion: v1
        kind: List
        items:
        - {apiVersion: v1, kind: Service, metadata: {name: a}}
        - apiVersion: v1
          kind: Service
          metadata:
            name: 7
        """)
    assert [each.place.line for each in parsed.objects] == [4]
    assert [(each.path, each.place) for each in parsed.findings] == [("metadata.name", Place("mesh.yaml", 1, 8))]


def test_an_object_that_breaks_a_rule_is_kept_out() -> None:
    parsed = parse("""\
        apiVersion: networking.istio.io/v1
        kind: Gateway
        metadata: {name: a}
        spec:
          servers:
          - port: {number: 99999, name: http, protocol: HTTP}
            hosts: ["*"]
        """)
    assert parsed.objects == ()
    assert parsed.broken == {key("a", kind=Kind.ISTIO_GATEWAY)}
    assert {(each.path, each.place) for each in parsed.findings if each.severity is Severity.ERROR} == {
        ("spec.servers[0].port.number", Place("mesh.yaml", 1, 6))
    }


def test_a_syntax_error_leaves_the_file_incomplete() -> None:
    parsed = parse("a: [\n---\napiVersion: v1\nkind: Service\nmetadata: {name: b}\n")
    assert [each.key for each in parsed.objects] == [key("b")]
    assert not parsed.is_complete
    (finding,) = parsed.findings
    assert (finding.code, finding.subject, finding.key) == ("FL0002", "mesh.yaml", None)
    assert finding.place is not None
    assert finding.place.document == 1


@pytest.mark.parametrize("text", ["kind: Servce\napiVersion: v1\nmetadata: {name: a}", "[1, 2]", "just text"])
def test_what_cannot_be_recognised_leaves_the_file_incomplete(text: str) -> None:
    parsed = parse(text)
    assert not parsed.is_complete
    assert parsed.findings


def test_kinds_that_have_no_part_in_a_mesh_are_nobody_s_fault() -> None:
    parsed = parse("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a}\n")
    assert parsed == ParsedFile()


def test_a_binary_file_says_so() -> None:
    parsed = parse_file(b"\x7fELF\x02\x01\x01\x00\x00", "program.yaml")
    (finding,) = parsed.findings
    assert finding.message == "is a binary file, not YAML or JSON"
    assert not parsed.is_complete


@pytest.mark.parametrize("source", [b"", b"\n\n", b"# nothing\n", b"---\n---\n", b"null\n"])
def test_nothing_is_fine(source: bytes) -> None:
    assert parse_file(source, "a.yaml") == ParsedFile()


def test_json_is_parsed_as_json() -> None:
    parsed = parse_file(json.dumps(SERVICE, indent="\t").encode(), "a.json")
    assert [each.key for each in parsed.objects] == [key("a", "shop")]


def test_long_json_is_read_like_short_json() -> None:
    names = [f"s{number}" for number in range(3000)]
    items = [{**SERVICE, "metadata": {"name": name, "labels": {"a": "x" * 50}}} for name in names]
    long = json.dumps({"apiVersion": "v1", "kind": "List", "items": items}).encode()
    parsed = parse_file(long, "a.json")
    assert [each.key.name for each in parsed.objects] == names
    assert parse_file(json.dumps({**SERVICE, "x": "y" * 300_000}).encode(), "a.json").objects
    broken = parse_file(long[:-1] + b"\n,}", "a.json")
    assert broken.findings[0].place == Place("a.json", 1, 2)
    odd = parse_file(json.dumps({"kind": "List", "items": 7, "x": "y" * 300_000}).encode(), "a.json")
    assert odd.findings


def test_long_yaml_is_read_like_short_yaml() -> None:
    """Its nodes are freed on the way: not before the last line was asked for."""
    service = "apiVersion: v1\nkind: Service\nmetadata:\n  name: s{0}\nspec:\n  ports: [{{port: {1}}}]\n"
    count = 4_000
    texts = [service.format(number, 0 if number == count - 1 else 80) for number in range(count)]
    parsed = parse_file("---\n".join(texts).encode(), "mesh.yaml")
    assert len(parsed.objects) == count - 1
    assert parsed.objects[-1].place == Place("mesh.yaml", count - 1, (count - 2) * 7 + 1)
    assert [finding.place for finding in parsed.findings] == [Place("mesh.yaml", count, count * 7 - 1)]


def test_broken_json_names_its_line() -> None:
    parsed = parse_file(b'{\n  "kind": "Service",\n  oops\n}', "a.json")
    (finding,) = parsed.findings
    assert finding.message.startswith("not JSON: ")
    assert finding.place == Place("a.json", 1, 3)


def test_a_fault_in_json_names_its_line() -> None:
    source = json.dumps({**SERVICE, "spec": {"ports": [{"port": "eighty"}]}}, indent=1)
    (finding,) = parse_file(source.encode(), "a.json").findings
    line = next(number for number, text in enumerate(source.splitlines(), 1) if "eighty" in text)
    assert (finding.path, finding.place) == ("spec.ports[0].port", Place("a.json", 1, line))


def test_what_is_not_translated_yet_is_said() -> None:
    parsed = parse("""\
        apiVersion: security.istio.io/v1
        kind: RequestAuthentication
        metadata: {name: a}
        spec: {}
        """)
    assert [(each.code, each.severity) for each in parsed.findings] == [("FL0004", Severity.WARNING)]
    assert len(parsed.objects) == 1


def test_a_fault_of_our_own_costs_one_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("fairlead.sources.judgement.validate", fail)
    parsed = parse("apiVersion: v1\nkind: Service\nmetadata: {name: a}\n")
    assert not parsed.is_complete
    assert "fault of Fairlead" in parsed.findings[0].message

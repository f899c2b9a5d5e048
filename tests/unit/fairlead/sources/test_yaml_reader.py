"""YAML is read as Kubernetes reads it, every field has its line, and a broken document spoils no other."""

import textwrap

import pytest
import yaml

from fairlead.sources.yaml_reader import YamlDocument, YamlError, line_of, read_documents


def documents(text: str) -> list[YamlDocument]:
    return list(read_documents(textwrap.dedent(text).encode()))


def content(text: str) -> object:
    (document,) = documents(text)
    return document.content()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("text", "text"),
        ("'1'", "1"),
        ("1", 1),
        ("-7", -7),
        ("1_000", 1000),
        ("0644", 420),
        ("0o17", 15),
        ("0x1F", 31),
        ("0b11", 3),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", 0.5),
        ("true", True),
        ("No", False),
        ("on", True),
        ("null", None),
        ("~", None),
        # What YAML 1.1 takes for a number of base 60 and for a date.
        ("10:30", "10:30"),
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        ("1.2.3", "1.2.3"),
        ("!!str 1", "1"),
    ],
)
def test_plain_scalars(text: str, value: object) -> None:
    assert content(f"field: {text}") == {"field": value}


@pytest.mark.parametrize(("text", "infinite"), [(".inf", float("inf")), ("-.INF", float("-inf"))])
def test_infinity(text: str, infinite: float) -> None:
    assert content(f"field: {text}") == {"field": infinite}


def test_anchors_and_merges() -> None:
    text = """
        base: &base {a: 1, b: 2}
        more: &more {c: 3, a: 9}
        one: {<<: *base, b: 7}
        all: {<<: [*base, *more]}
        again: *base
        """
    assert content(text) == {
        "base": {"a": 1, "b": 2},
        "more": {"c": 3, "a": 9},
        "one": {"a": 1, "b": 7},
        "all": {"a": 1, "b": 2, "c": 3},
        "again": {"a": 1, "b": 2},
    }


def test_documents_are_numbered_and_placed() -> None:
    found = documents("# a comment\n---\na: 1\n---\n---\n# nothing\n---\nb: 2\n")
    assert [(document.number, document.content()) for document in found] == [
        (1, {"a": 1}),
        (2, None),
        (3, None),
        (4, {"b": 2}),
    ]
    assert (found[0].line, found[3].line) == (3, 8)


def test_nothing_is_no_document() -> None:
    assert documents("") == []
    assert documents("# only a comment\n") == []


def test_a_broken_document_spoils_no_other() -> None:
    found = documents("a: 1\n---\nb: [1\nc: 2\n---\nd:\n  e: 3\n---\nf: }\n---\ng: 4\n")
    assert [document.number for document in found] == [1, 2, 3, 4, 5]
    assert [document.fault is None for document in found] == [True, False, True, False, True]
    assert found[1].line == 4
    assert "expected ',' or ']'" in (found[1].fault or "")
    assert found[2].root is not None
    assert found[2].line_of(found[2].root, "d.e") == 7
    assert found[4].content() == {"g": 4}


def test_a_broken_first_document_spoils_no_other() -> None:
    found = documents("# note\na: }\n---\nb: 1\n")
    assert [(document.number, document.line, document.fault is None) for document in found] == [
        (1, 2, False),
        (2, 4, True),
    ]


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "field 'a' is given twice"),
        ("a: !secret x\n", 1, "unknown tag !secret"),
        ("a: !!python/object:os.system {}\n", 1, "unknown tag tag:yaml.org,2002:python/object:os.system"),
        ("a: 1\n? [x]\n: 2\n", 2, "a field name must be text"),
        ("a: &a\n- *a\n", 1, "an alias refers to what it is part of"),
        ("a: {<<: 3}\n", 1, "only mappings can be merged"),
        ("a: !!int x\n", 1, "'x' is no number"),
    ],
)
def test_what_kubernetes_would_refuse(text: str, line: int, reason: str) -> None:
    with pytest.raises(YamlError) as raised:
        content(text)
    assert (raised.value.line, raised.value.reason) == (line, reason)


def test_few_lines_that_stand_for_billions_of_values_are_refused() -> None:
    lines = ["l0: &l0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 10)}]" for level in range(1, 10)]
    with pytest.raises(YamlError, match="once its aliases are expanded"):
        content("\n".join(lines))


@pytest.mark.parametrize("source", [b"a: " + b"[" * 5000, b"a: " + b"{b: " * 5000, b"- " * 5000])
def test_deep_nesting_is_refused(source: bytes) -> None:
    (document,) = read_documents(source)
    with pytest.raises(YamlError):
        document.content()


@pytest.mark.parametrize(
    "source", [b"a: \xff\xfe\n", b"\x80", b"a: \x01\n", "a: \ud800".encode("utf-8", "surrogatepass")]
)
def test_what_is_no_text_is_refused(source: bytes) -> None:
    (document,) = read_documents(source)
    assert document.fault is not None


def test_utf_16_is_text() -> None:
    (document,) = read_documents("a: \N{SNOWMAN}".encode("utf-16"))
    assert document.content() == {"a": "\N{SNOWMAN}"}


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("", 1),
        ("spec", 3),
        ("spec.http[0].route[1].weight", 8),
        ("metadata.labels[app.kubernetes.io/name]", 2),
        ("spec.http[0].missing", 4),
        ("spec.http[7]", 4),
        ("nowhere.at.all", 1),
    ],
)
def test_the_line_of_a_field(path: str, line: int) -> None:
    text = textwrap.dedent("""\
        kind: X
        metadata: {labels: {app.kubernetes.io/name: x}}
        spec:
          http:
          - route:
            - weight: 1
            - destination: {}
              weight: 2
        """)
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert root is not None
    expected = {"spec.http[0].missing": 5}.get(path, line)
    assert line_of(root, path) == expected


@pytest.mark.parametrize("comment", ["# plain", "# \N{SNOWMAN} and \N{GRINNING FACE}"])
def test_an_excerpt_finds_lines_without_the_file(comment: str) -> None:
    text = f"""\
{comment}
items:
  - kind: X
    spec:
      a: 1
      b: {{c: 2,
          d: 3}}
  - {{kind: Y,
     spec: 1}}
"""
    (document,) = documents(text)
    assert isinstance(document.root, yaml.MappingNode)
    first, second = (document.excerpt(node) for node in document.root.value[0][1].value)
    assert [first.line_of(path) for path in ("", "kind", "spec.a", "spec.b.d")] == [3, 3, 5, 7]
    assert [second.line_of(path) for path in ("kind", "spec")] == [8, 9]

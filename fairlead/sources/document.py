"""The bytes of a YAML or JSON file into objects, each with its place, and into what is wrong with the rest."""

import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from typing import Final, NamedTuple

import msgspec
import yaml

from fairlead.finding import BROKEN_DOCUMENT, Finding, Place
from fairlead.memory import bulk_work
from fairlead.sources.judgement import judge
from fairlead.sources.yaml_reader import Excerpt, YamlDocument, YamlError, line_of, read_documents
from translator.analysis.findings import ANALYZERS
from translator.decode import Decoded, decode_object, iter_documents
from translator.diagnostics import Severity
from translator.objects.meta import MeshObject
from translator.objects.registry import ObjectKey

_BINARY_PROBE: Final = 8192
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_LONG: Final = 256 * 1024
_BYTE_OFFSET: Final = re.compile(r" \(byte (\d+)\)$")


class PlacedObject(NamedTuple):
    """An object that is fit for use, and where it stands.

    ``excerpt`` is kept for kinds of which something may be found later, when the file is not at hand.
    """

    key: ObjectKey
    object: MeshObject
    place: Place
    excerpt: Excerpt | None = None


class ParsedFile(NamedTuple):
    """What a file holds.

    ``broken`` are the objects that are there but unfit for use. ``is_complete`` is False if there is something of
    which not even that is known: what the file held before has to stay in force.
    """

    objects: tuple[PlacedObject, ...] = ()
    findings: tuple[Finding, ...] = ()
    broken: frozenset[ObjectKey] = frozenset()
    is_complete: bool = True


class _Item(NamedTuple):
    """One object of a document as plain values, and how to find the lines of its fields."""

    content: object
    document: int
    line: int
    line_of: Callable[[str], int]
    excerpt: Callable[[], Excerpt | None]


def parse_file(source: bytes, name: str) -> ParsedFile:
    """Read a file; never raises. ``name`` is for people, and its ending tells JSON from YAML."""
    if b"\0" in source[:_BINARY_PROBE] and not source.startswith(_UTF16_MARKS):
        return unreadable(name, BROKEN_DOCUMENT, "is a binary file, not YAML or JSON")
    gathering = _Gathering(name)
    items = _read_json(source) if name.lower().endswith(".json") else _read_yaml(source)
    try:
        with bulk_work() if len(source) > _LONG else nullcontext():
            for item in items:
                gathering.take(item)
    except Exception as error:  # noqa: BLE001 - a fault of ours must cost one file, not the control plane
        return unreadable(name, BROKEN_DOCUMENT, f"cannot be processed, which is a fault of Fairlead: {error!r}")
    return gathering.parsed()


def unreadable(name: str, code: str, reason: str) -> ParsedFile:
    """A file of which nothing could be read."""
    finding = Finding(severity=Severity.ERROR, code=code, subject=name, message=reason, place=Place(name))
    return ParsedFile(findings=(finding,), is_complete=False)


class _Gathering:
    """Collects what becomes of each item of one file."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._objects: list[PlacedObject] = []
        self._findings: list[Finding] = []
        self._broken: set[ObjectKey] = set()
        self._is_complete = True

    def parsed(self) -> ParsedFile:
        """The sum."""
        return ParsedFile(tuple(self._objects), tuple(self._findings), frozenset(self._broken), self._is_complete)

    def take(self, item: "_Item | _Fault") -> None:
        """Decode and validate one item."""
        if isinstance(item, _Fault):
            self._refuse(item)
            return
        decoded = decode_object(item.content)
        judged = judge(decoded)
        self._report(item, judged.findings)
        if decoded.key is None or judged.object is None:
            self._give_up(decoded)
            return
        place = Place(self._file, item.document, item.line)
        excerpt = item.excerpt() if decoded.key.kind in ANALYZERS else None
        self._objects.append(PlacedObject(decoded.key, judged.object, place, excerpt))

    def _refuse(self, fault: "_Fault") -> None:
        place = Place(self._file, fault.document, fault.line)
        finding = Finding(
            severity=Severity.ERROR, code=BROKEN_DOCUMENT, subject=self._file, message=fault.reason, place=place
        )
        self._findings.append(finding)
        self._is_complete = False

    def _give_up(self, decoded: Decoded) -> None:
        if decoded.key is not None:
            self._broken.add(decoded.key)
        elif not decoded.ignored:
            self._is_complete = False

    def _report(self, item: _Item, findings: tuple[Finding, ...]) -> None:
        for finding in findings:
            place = Place(self._file, item.document, item.line_of(finding.path))
            self._findings.append(msgspec.structs.replace(finding, place=place))


class _Fault(NamedTuple):
    """A document that cannot be parsed at all."""

    document: int
    line: int
    reason: str


def _read_yaml(source: bytes) -> Iterator[_Item | _Fault]:
    for document in read_documents(source):
        try:
            content = document.content()
        except YamlError as error:
            yield _Fault(document.number, error.line or document.line, error.reason)
            continue
        if document.root is None:
            continue
        for each, node in zip(iter_documents(content), _iter_nodes(document.root), strict=False):
            yield _yaml_item(each, document, node)
        if len(source) > _LONG:
            document.dismantle()


def _yaml_item(content: object, document: YamlDocument, node: yaml.Node) -> _Item:
    return _Item(
        content,
        document.number,
        document.line_of(node),
        lambda path: document.line_of(node, path),
        lambda: document.excerpt(node),
    )


def _iter_nodes(root: yaml.Node) -> Iterator[yaml.Node]:
    """The nodes of the objects in a document, in the order of ``iter_documents``."""
    waiting = [root]
    while waiting:
        node = waiting.pop()
        fields = {key.value: value for key, value in node.value} if isinstance(node, yaml.MappingNode) else {}
        kind, items = fields.get("kind"), fields.get("items")
        if isinstance(kind, yaml.ScalarNode) and kind.value.endswith("List") and isinstance(items, yaml.SequenceNode):
            waiting.extend(reversed(items.value))
        elif not (isinstance(node, yaml.ScalarNode) and node.tag.endswith(":null")):
            yield node


def _read_json(source: bytes) -> Iterator[_Item | _Fault]:
    """JSON by a JSON parser: much faster than as YAML, which is only asked for the lines of what is wrong."""
    if not source.strip():
        return
    try:
        content = _decode_json(source)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        reason = str(error) or "nested too deeply"
        offset = _BYTE_OFFSET.search(reason)
        line = source.count(b"\n", 0, int(offset[1])) + 1 if offset else 0
        yield _Fault(1, line, f"not JSON: {_BYTE_OFFSET.sub('', reason)}")
        return
    lines = _JsonLines(source)
    for position, each in enumerate(iter_documents(content)):
        yield _Item(each, 1, 1 if position == 0 else 0, lines.finder(position), lambda: None)


def _decode_json(source: bytes) -> object:
    """Plain values. Of a long list the items are decoded one by one: the decoder lets no other thread run meanwhile."""
    if len(source) <= _LONG or not source.lstrip().startswith(b"{"):
        return msgspec.json.decode(source)
    fields = msgspec.json.decode(source, type=dict[str, msgspec.Raw])
    items = bytes(fields.pop("items", b"")).lstrip()
    content: dict[str, object] = {name: msgspec.json.decode(value) for name, value in fields.items()}
    if items.startswith(b"["):
        content["items"] = [msgspec.json.decode(item) for item in msgspec.json.decode(items, type=list[msgspec.Raw])]
    elif items:
        content["items"] = msgspec.json.decode(items)
    return content


class _JsonLines:
    """Finds lines in a JSON file, by reading it as YAML when the first one is wanted."""

    def __init__(self, source: bytes) -> None:
        self._source = source
        self._nodes: list[yaml.Node] | None = None

    def finder(self, position: int) -> Callable[[str], int]:
        """What tells the lines of the object at a position among the file's objects."""
        return lambda path: self._line_of(position, path)

    def _line_of(self, position: int, path: str) -> int:
        if self._nodes is None:
            roots = (document.root for document in read_documents(self._source))
            self._nodes = [node for root in roots if root is not None for node in _iter_nodes(root)]
        return line_of(self._nodes[position], path) if position < len(self._nodes) else 0

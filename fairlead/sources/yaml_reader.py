"""YAML as Kubernetes reads it, with the line of every field.

PyYAML's C parser composes the nodes; what they mean is decided here, because PyYAML's own rules are those of
YAML 1.1, where ``10:30`` is the number 630 and ``2024-01-01`` a date, and where the second of two equal keys
silently wins.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import yaml
from yaml._yaml import CParser
from yaml.resolver import Resolver

_STR: Final = "tag:yaml.org,2002:str"
_NULL: Final = "tag:yaml.org,2002:null"
_BOOL: Final = "tag:yaml.org,2002:bool"
_INT: Final = "tag:yaml.org,2002:int"
_FLOAT: Final = "tag:yaml.org,2002:float"
_MERGE: Final = "tag:yaml.org,2002:merge"
_BINARY: Final = "tag:yaml.org,2002:binary"
_PLAIN_COLLECTIONS: Final = frozenset({"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq", "!"})

_TRUE: Final = frozenset({"true", "yes", "on"})
_SEPARATOR: Final = re.compile(rb"^---(?=\s|$)", re.MULTILINE)
_NO_CONTENT: Final = re.compile(rb"(?:\s*(?:[#%][^\n]*)?(?:\n|$))*")
_STEP: Final = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")
# Aliases are written once and expanded when they are read: few lines can stand for billions of values.
_MAX_EXPANDED: Final = 1_000_000


class YamlError(Exception):
    """A document cannot be understood; ``line`` counts from 1, 0 if it is not known."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(f"line {line}: {reason}")
        self.line = line
        self.reason = reason


class Excerpt(NamedTuple):
    """The text of one object, from which the lines of its fields can be found later; ``line`` is its first one."""

    text: str
    line: int

    def line_of(self, path: str) -> int:
        """The line of a field, see ``line_of``; that of the object if the text alone makes no sense."""
        for document in read_documents(self.text.encode()):
            if document.root is not None:
                return self.line - 1 + line_of(document.root, path)
        return self.line


class _Part:
    """Text that is parsed at one go: a file, or what stands between two separators of a broken one."""

    def __init__(self, source: bytes, first_line: int) -> None:
        self.source = source
        self.first_line = first_line

    def cut(self, node: yaml.Node) -> str:
        """The text of a node, indented as it was. Marks count characters, not bytes."""
        start, end = node.start_mark, node.end_mark
        indent = " " * start.column
        if self._is_ascii:
            return indent + self.source[start.index : end.index].decode()
        return indent + self._characters[start.index : end.index]

    @cached_property
    def _is_ascii(self) -> bool:
        return self.source.isascii()

    @cached_property
    def _characters(self) -> str:
        return self.source.decode(errors="replace")


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """One document of a file: ``number`` counts from 1; ``root`` is None if it is broken, ``fault`` says why."""

    number: int
    line: int
    root: yaml.Node | None
    part: _Part
    fault: str | None = None

    def content(self) -> object:
        """The plain values of the document. Raises YamlError for what Kubernetes would refuse."""
        if self.fault is not None or self.root is None:
            raise YamlError(self.line, self.fault or "empty")
        try:
            # Only with anchors can a document stand for more than is written.
            if b"&" in self.part.source:
                _check_expansion(self.root)
            return _construct(self.root)
        except RecursionError as error:
            raise YamlError(self.line, "nested too deeply") from error
        except YamlError as error:
            raise YamlError(error.line + self.part.first_line - 1, error.reason) from error

    def dismantle(self) -> None:
        """Free the nodes one by one: those of some megabytes are millions, which freed at once hold up all threads."""
        waiting = [self.root] if self.root is not None else []
        while waiting:
            node = waiting.pop()
            parts, node.value = node.value, None
            for part in parts if isinstance(parts, list) else ():
                waiting.extend(part if isinstance(part, tuple) else (part,))

    def line_of(self, node: yaml.Node, path: str = "") -> int:
        """The line of a field below a node of this document, see ``line_of``."""
        return self.part.first_line - 1 + line_of(node, path)

    def excerpt(self, node: yaml.Node) -> Excerpt:
        """The text of a node of this document."""
        return Excerpt(self.part.cut(node), self.line_of(node))


class _Composer(CParser, Resolver):
    """Composes nodes with Kubernetes' idea of which plain scalars are no text."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's protocol

    def __init__(self, source: bytes) -> None:
        CParser.__init__(self, source)
        Resolver.__init__(self)


_Composer.add_implicit_resolver(_NULL, re.compile(r"^(?:~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_Composer.add_implicit_resolver(
    _BOOL,
    re.compile(r"^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$"),
    list("yYnNtTfFoO"),
)
_Composer.add_implicit_resolver(
    _INT,
    re.compile(r"^[-+]?(?:0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|0|[1-9][0-9_]*)$"),
    list("-+0123456789"),
)
_Composer.add_implicit_resolver(
    _FLOAT,
    re.compile(
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
    list("-+.0123456789"),
)
_Composer.add_implicit_resolver(_MERGE, re.compile(r"^<<$"), ["<"])


def read_documents(source: bytes) -> Iterator[YamlDocument]:
    """Every document of a file, also those behind a broken one."""
    broken = 0
    for document in _compose(_Part(source, 1), 1):
        if document.fault is None:
            yield document
        else:
            broken = document.number
    number = 1
    for part in _split(source) if broken else ():
        for document in _compose(part, number):
            number = document.number + 1
            if document.number >= broken:
                yield document


def line_of(root: yaml.Node, path: str) -> int:
    """The line of a field such as ``spec.http[0].name``; of its closest parent if the field is not there."""
    line: int = root.start_mark.line
    node: yaml.Node | None = root
    for index, name in _STEP.findall(path):
        step = index or name
        if isinstance(node, yaml.SequenceNode):
            node = node.value[int(step)] if step.isdigit() and int(step) < len(node.value) else None
            line = node.start_mark.line if node is not None else line
        elif isinstance(node, yaml.MappingNode):
            found = next((pair for pair in node.value if pair[0].value == step), None)
            line, node = (found[0].start_mark.line, found[1]) if found else (line, None)
        if node is None:
            break
    return line + 1


def _compose(part: _Part, number: int) -> Iterator[YamlDocument]:
    """The documents up to the first that is broken."""
    try:
        composer = _Composer(part.source)
        try:
            while composer.check_node() and (root := composer.get_node()) is not None:
                yield YamlDocument(number, part.first_line + root.start_mark.line, root, part)
                number += 1
        finally:
            composer.dispose()
    except yaml.MarkedYAMLError as error:
        yield _broken(number, part, error.problem_mark or error.context_mark, error.problem or str(error))
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        yield _broken(number, part, None, " ".join(str(error).split()) or "cannot be read")


def _broken(number: int, part: _Part, mark: Any, reason: str) -> YamlDocument:  # noqa: ANN401 - the C parser's mark
    line = part.first_line + (mark.line if mark is not None else 0)
    return YamlDocument(number, line, None, part, reason)


def _split(source: bytes) -> Iterator[_Part]:
    """The parts between separators with their first lines: YAML lets no text contain a separator."""
    starts = [match.start() for match in _SEPARATOR.finditer(source)]
    if not starts or not _NO_CONTENT.fullmatch(source[: starts[0]]):
        starts.insert(0, 0)
    for start, end in zip(starts, [*starts[1:], len(source)], strict=True):
        yield _Part(source[start:end], source.count(b"\n", 0, start) + 1)


def _check_expansion(root: yaml.Node) -> None:
    """Refuse a document that is much larger with its aliases expanded than it is written, or endless."""
    sizes: dict[int, int] = {}
    open_nodes: set[int] = set()

    def measure(node: yaml.Node) -> int:
        if isinstance(node, yaml.ScalarNode):
            return 1
        known = sizes.get(id(node))
        if known is not None:
            return known
        if id(node) in open_nodes:
            raise YamlError(node.start_mark.line + 1, "an alias refers to what it is part of")
        open_nodes.add(id(node))
        parts = node.value
        if isinstance(node, yaml.MappingNode):
            size = 1 + sum(measure(key) + measure(value) for key, value in parts)
        else:
            size = 1 + sum(map(measure, parts))
        open_nodes.discard(id(node))
        sizes[id(node)] = size
        return size

    expanded = measure(root)
    if expanded > _MAX_EXPANDED and expanded > 10 * len(sizes):
        raise YamlError(root.start_mark.line + 1, f"stands for {expanded} values once its aliases are expanded")


def _construct(node: yaml.Node) -> object:
    if isinstance(node, yaml.ScalarNode):
        return _construct_scalar(node)
    if node.tag not in _PLAIN_COLLECTIONS:
        raise YamlError(node.start_mark.line + 1, f"unknown tag {node.tag}")
    if isinstance(node, yaml.SequenceNode):
        return [_construct(item) for item in node.value]
    return _construct_mapping(node) if isinstance(node, yaml.MappingNode) else None


def _construct_mapping(node: yaml.MappingNode) -> dict[object, object]:
    content: dict[object, object] = {}
    merged: dict[object, object] = {}
    for key_node, value_node in node.value:
        if key_node.tag == _MERGE:
            merged = {**_construct_merge(value_node), **merged}
            continue
        key = _construct(key_node)
        if isinstance(key, list | dict):
            raise YamlError(key_node.start_mark.line + 1, "a field name must be text")
        if key in content:
            raise YamlError(key_node.start_mark.line + 1, f"field {key!r} is given twice")
        content[key] = _construct(value_node)
    return {**merged, **content} if merged else content


def _construct_merge(node: yaml.Node) -> dict[object, object]:
    """What ``<<`` brings in: a mapping, or several of which the first one to name a field wins."""
    value = _construct(node)
    merged: dict[object, object] = {}
    for part in value if isinstance(value, list) else [value]:
        if not isinstance(part, dict):
            raise YamlError(node.start_mark.line + 1, "only mappings can be merged")
        merged = {**part, **merged}
    return merged


def _construct_scalar(node: yaml.ScalarNode) -> object:
    tag, text = node.tag, node.value
    if tag in (_STR, _BINARY, "!"):
        return text
    if tag == _NULL:
        return None
    try:
        if tag == _BOOL:
            return text.lower() in _TRUE
        if tag == _INT:
            return _parse_int(text.replace("_", ""))
        if tag == _FLOAT:
            return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError as error:
        raise YamlError(node.start_mark.line + 1, f"{text!r} is no number") from error
    raise YamlError(node.start_mark.line + 1, f"unknown tag {tag}")


def _parse_int(text: str) -> int:
    digits = text.lstrip("+-")
    octal = len(digits) > 1 and digits[0] == "0" and digits[1].isdigit()
    return int(text, 8) if octal else int(text, 0)

"""Holds a raw document against the record that it should become, and reports every difference at once.

msgspec stops at the first fault, which is right for the fast path; a user who wrote a file wants all of them.
"""

import difflib
import enum
import types
from collections.abc import Mapping, Sequence
from typing import Annotated, Final, Union, get_args, get_origin

import msgspec

from translator.diagnostics import Violation
from translator.objects.duration import Duration
from translator.objects.virtual_service import HTTPRoute

# Istio's CRD accepts this one field by its protobuf name as well.
_OTHER_NAMES: Final[Mapping[type, Mapping[str, str]]] = {HTTPRoute: {"mirror_percent": "mirrorPercent"}}
_EMPTY: Final[Sequence[object]] = ("", 0, 1, False, [], {}, "0s", None)
_UNKNOWN: Final = "unknown field"
_TYPE_NAMES: Final = {dict: "object", list: "array", tuple: "array", type(None): "null"}


def decode_custom(wanted: type, value: object) -> object:
    """The ``dec_hook`` of msgspec: durations come as text; what is kept as it was written passes through."""
    if wanted is object:
        return value
    if wanted is not Duration:
        raise NotImplementedError
    if not isinstance(value, str):
        raise ValueError(f"expected a duration such as 1.5s, got {_type_name(value)}")  # noqa: TRY004 - msgspec adds the path to a ValueError only
    return Duration.parse(value)


def suggest(word: str, known: Sequence[str]) -> str:
    """The end of a sentence that offers the closest known word; empty if none is close."""
    close = difflib.get_close_matches(word, known, n=1, cutoff=0.7)
    return f"; did you mean {close[0]}?" if close else ""


def unknown_field(path: str, name: str, known: Sequence[str]) -> Violation:
    """What is said of a field that does not exist."""
    return Violation(path, f"{_UNKNOWN}{suggest(name, known)}")


def is_unknown_field(violation: Violation) -> bool:
    """Whether nothing else is wrong than that a field does not exist."""
    return violation.reason.startswith(_UNKNOWN)


class ShapeCheck:
    """One pass over one document; the faults gather in ``violations``.

    ``doubtful`` are the paths of the fields of which the document may say something else than the result: those that
    held a wrong type, those that are missing, and beside an unknown field, which may be a misspelled one, the absent
    ones. What a rule then says of such a field, or of what is around it, may be wrong.
    """

    def __init__(self) -> None:
        self.violations: list[Violation] = []
        self.doubtful: list[str] = []

    def conform(self, value: object, wanted: object, path: str = "") -> object:
        """``value`` in a form that msgspec can convert to the type ``wanted``: unset (null) fields are left out.

        So are unknown fields; what is of a wrong type gives way to an empty value of the right one.
        """
        inner = _without_none(wanted)
        if value is None and inner is not wanted:
            return None
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            if isinstance(value, Mapping):
                return self._conform_record(value, inner, path)
            self._report(path, f"expected object, got {_type_name(value)}")
            return _empty(wanted)
        if get_origin(inner) is tuple:
            return self._conform_array(value, get_args(inner)[0], path)
        if get_origin(inner) is dict:
            return self._conform_map(value, get_args(inner), path)
        return self._conform_scalar(value, wanted, path)

    def _conform_record(self, value: Mapping[object, object], record: type[msgspec.Struct], path: str) -> object:
        fields = {field.encode_name: field for field in msgspec.structs.fields(record)}
        other_names = _OTHER_NAMES.get(record, {})
        strict = record.__struct_config__.forbid_unknown_fields
        has_unknown = False
        conformed: dict[str, object] = {}
        for key, item in value.items():
            name = other_names.get(str(key), str(key))
            if name in fields:
                if item is not None:
                    conformed[name] = self.conform(item, fields[name].type, child_path(path, name))
            elif strict:
                has_unknown = True
                self._note(unknown_field(child_path(path, key), str(key), sorted(fields)))
        absent = [name for name in fields if name not in conformed]
        if has_unknown:
            self.doubtful.extend(child_path(path, name) for name in absent)
        for name in absent:
            if fields[name].required:
                self._report(child_path(path, name), "required field is missing")
                conformed[name] = _empty(fields[name].type)
        return conformed

    def _conform_array(self, value: object, item_type: object, path: str) -> object:
        if not isinstance(value, list | tuple):
            self._report(path, f"expected array, got {_type_name(value)}")
            return []
        return [self.conform(item, item_type, f"{path}[{index}]") for index, item in enumerate(value)]

    def _conform_map(self, value: object, map_types: tuple[object, object], path: str) -> object:
        if not isinstance(value, Mapping):
            self._report(path, f"expected object, got {_type_name(value)}")
            return {}
        key_type, item_type = map_types
        conformed: dict[object, object] = {}
        for key, item in value.items():
            if not _is_convertible(key, key_type):
                self._report(f"{path}[{key}]", f"expected a text key, got {_type_name(key)}; put it in quotes")
            else:
                conformed[key] = self.conform(item, item_type, f"{path}[{key}]")
        return conformed

    def _conform_scalar(self, value: object, wanted: object, path: str) -> object:
        try:
            msgspec.convert(value, wanted, dec_hook=decode_custom)
        except msgspec.ValidationError as fault:
            self._report(path, _explain(value, _without_none(wanted), str(fault)))
            return _empty(wanted)
        return value

    def _report(self, path: str, reason: str) -> None:
        self._note(Violation(path, reason))

    def _note(self, violation: Violation) -> None:
        self.violations.append(violation)
        self.doubtful.append(violation.path)


def _empty(wanted: object) -> object:
    """The emptiest value that can be converted to a type."""
    inner = _without_none(wanted)
    if inner is not wanted:
        return None
    if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
        fields = msgspec.structs.fields(inner)
        return {field.encode_name: _empty(field.type) for field in fields if field.required}
    if isinstance(inner, type) and issubclass(inner, enum.Enum):
        return next(iter(inner)).value
    return next(candidate for candidate in _EMPTY if _is_convertible(candidate, inner))


def _is_convertible(value: object, wanted: object) -> bool:
    try:
        msgspec.convert(value, wanted, dec_hook=decode_custom)
    except msgspec.ValidationError:
        return False
    return True


def child_path(path: str, name: object) -> str:
    """The path of a field of the record at ``path``."""
    return f"{path}.{name}" if path else str(name)


def _without_none(wanted: object) -> object:
    """``X`` for ``X | None``; any other type as it is."""
    if not isinstance(wanted, types.UnionType) and get_origin(wanted) is not Union:
        return wanted
    members = [member for member in get_args(wanted) if member is not type(None)]
    return members[0] if len(members) == 1 else wanted


def _explain(value: object, wanted: object, fault: str) -> str:
    if isinstance(wanted, type) and issubclass(wanted, enum.Enum) and isinstance(value, str):
        known = [str(member.value) for member in wanted]
        return f"unknown value {value!r}{suggest(value.upper(), known)} (known: {', '.join(known)})"
    reason = fault.partition(" - at `")[0].replace("`", "")
    reason = reason[:1].lower() + reason[1:]
    plain = get_args(wanted)[0] if get_origin(wanted) is Annotated else wanted
    quotable = plain is str and value is not None and not isinstance(value, Mapping | list | tuple)
    return f"{reason}; put it in quotes" if quotable else reason


def _type_name(value: object) -> str:
    return _TYPE_NAMES.get(type(value), type(value).__name__)

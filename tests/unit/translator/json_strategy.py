"""JSON for tests: of any form, and of the form that a record has."""

import base64
import enum
import functools
import types
from typing import Annotated, Union, get_args, get_origin

import msgspec
from hypothesis import strategies as st

from translator.objects.duration import Duration

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=20,
)
TEXT = st.text(max_size=8) | st.sampled_from(
    ["*", "a.example.com", "*.b.com", "shop/a", "HTTP", "TLS", "10.0.0.1", "10.0.0.0/8", "unix:///a", "%REQ(a)%", "5xx"]
)


@functools.cache
def json_of(annotation: type | types.UnionType) -> st.SearchStrategy[object]:
    """JSON that decodes to the type, which is one that the records of objects use."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (types.UnionType, Union):
        return st.one_of([json_of(argument) for argument in arguments])
    if origin is tuple:
        return st.lists(json_of(arguments[0]), max_size=3)
    if origin is dict:
        return st.dictionaries(TEXT, json_of(arguments[1]), max_size=3)
    if origin is Annotated:
        [bounds] = [meta for meta in arguments[1:] if isinstance(meta, msgspec.Meta)]
        return st.integers(min_value=int(bounds.ge or 0), max_value=int(bounds.le or 2**40)) | st.sampled_from([1, 80])
    assert isinstance(annotation, type)
    return _json_of_class(annotation)


def _json_of_class(wanted: type) -> st.SearchStrategy[object]:
    if issubclass(wanted, msgspec.Struct):
        fields = msgspec.structs.fields(wanted)
        required = {field.encode_name: json_of(field.type) for field in fields if field.required}
        optional = {field.encode_name: json_of(field.type) for field in fields if not field.required}
        return st.fixed_dictionaries(required, optional=optional)
    if issubclass(wanted, enum.Enum):
        return st.sampled_from([member.value for member in wanted])
    return SCALARS[wanted]


SCALARS: dict[type, st.SearchStrategy[object]] = {
    str: TEXT,
    bool: st.booleans(),
    int: st.integers(min_value=-1, max_value=70_000),
    float: st.floats(),
    bytes: st.binary(max_size=8).map(lambda raw: base64.b64encode(raw).decode()),
    object: JSON,
    types.NoneType: st.none(),
    Duration: st.integers(min_value=-(10**12), max_value=10**12).map(lambda nanoseconds: str(Duration(nanoseconds))),
}

"""What is called: the matchers of a rule's operations."""

from collections.abc import Iterator
from typing import Final

from envoy.config.core.v3 import extension_pb2
from envoy.config.rbac.v3 import rbac_pb2
from envoy.extensions.path.match.uri_template.v3 import uri_template_match_pb2
from envoy.type.matcher.v3 import metadata_pb2, path_pb2, value_pb2

from translator.model.path_template import envoy_template, is_path_template, template_fault
from translator.objects.security import Operation
from translator.pb import pack
from translator.security.authorization.attribute import (
    Attribute,
    UnusableError,
    bracketed,
    build_header,
    build_range,
    build_string,
)

Permission = rbac_pb2.Permission
_Value = value_pb2.ValueMatcher

_EXPERIMENTAL: Final = "experimental."
_FILTERS: Final = f"{_EXPERIMENTAL}envoy.filters."
_OPERATION_KEYS: Final = frozenset({"destination.ip", "destination.port", "connection.sni"})
_HOSTS: Final = "hosts"
_METHODS: Final = "methods"
_PATHS: Final = "paths"
_MAX_PORT: Final = 65535


def is_operation_key(key: str) -> bool:
    """Whether a condition is about what is called, and not about who calls."""
    return key in _OPERATION_KEYS or key.startswith(_FILTERS)


def operation_attributes(operation: Operation, *, http: bool) -> Iterator[Attribute[Permission]]:
    """The fields of an operation, in Istio's order. ``http``: requests are judged, and not connections."""
    for key, values, excluded in (
        (_HOSTS, operation.hosts, operation.not_hosts),
        (_METHODS, operation.methods, operation.not_methods),
        (_PATHS, operation.paths, operation.not_paths),
        ("destination.port", operation.ports, operation.not_ports),
    ):
        yield operation_attribute(key, values, excluded, http=http)


def operation_attribute(
    key: str, values: tuple[str, ...], excluded: tuple[str, ...], *, http: bool
) -> Attribute[Permission]:
    """What a field or a condition asks of what is called."""
    return Attribute(values, excluded, lambda value: [_permission(key, value, http=http)])


def _permission(key: str, value: str, *, http: bool) -> Permission:
    match key:
        case "destination.port":
            return Permission(destination_port=_port(value))
        case "destination.ip":
            return Permission(destination_ip=build_range(value))
        case "connection.sni":
            return Permission(requested_server_name=build_string(value))
        case _ if key.startswith(_FILTERS):
            return _metadata(key, value)
        case _:
            if not http:
                raise UnusableError(key)
            return _request_permission(key, value)


def _request_permission(key: str, value: str) -> Permission:
    """What only a request can show."""
    if key == _HOSTS:
        return Permission(header=build_header(":authority", value, ignore_case=True))
    if key == _METHODS:
        return Permission(header=build_header(":method", value))
    return _path(value)


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text) <= _MAX_PORT):
        raise UnusableError(text)
    return int(text)


def _path(value: str) -> Permission:
    if not is_path_template(value):
        return Permission(url_path=path_pb2.PathMatcher(path=build_string(value)))
    fault = template_fault(value)
    if fault:
        raise UnusableError(fault)
    config = uri_template_match_pb2.UriTemplateMatchConfig(path_template=envoy_template(value))
    return Permission(uri_template=extension_pb2.TypedExtensionConfig(name="uri-template", typed_config=pack(config)))


def _metadata(key: str, value: str) -> Permission:
    """What a filter before this one has found out; ``[v]`` is an item of a list."""
    name, bracket, rest = key.removeprefix(_EXPERIMENTAL).partition("[")
    entry = bracketed(bracket + rest, "")
    if value.startswith("[") and value.endswith("]"):
        item = _Value(string_match=build_string(value[1:-1]))
        wanted = _Value(list_match=value_pb2.ListMatcher(one_of=item))
    else:
        wanted = _Value(string_match=build_string(value))
    segment = metadata_pb2.MetadataMatcher.PathSegment(key=entry)
    matcher = metadata_pb2.MetadataMatcher(filter=name, path=[segment], value=wanted)
    return Permission(sourced_metadata=rbac_pb2.SourcedMetadata(metadata_matcher=matcher))

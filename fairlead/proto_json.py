"""Envoy resources in proto JSON."""

from collections.abc import Iterable
from typing import Any

from envoy.extensions.transport_sockets.tls.v3.secret_pb2 import Secret
from google.protobuf import descriptor_pool, message_factory
from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from translator.view import GENERATORS, View
from xds.resource import Resource
from xds.types import TypeUrl, short_name

_REDACTED = "[redacted]"  # the word that Envoy itself writes in its place

SERVED_TYPES = {short_name(generator.type_url): generator.type_url for generator in GENERATORS}


def open_resource(resource: Resource) -> Message:
    """The message that a resource holds, without private keys."""
    name = resource.type_url.rpartition("/")[2]
    descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
    message = message_factory.GetMessageClass(descriptor).FromString(resource.body)
    if isinstance(message, Secret) and message.tls_certificate.HasField("private_key"):
        message.tls_certificate.private_key.inline_string = _REDACTED
    return message


def render_resource(resource: Resource) -> dict[str, Any]:
    """One resource; the messages inside its ``Any`` fields are decoded as well. Private keys are not shown."""
    return MessageToDict(open_resource(resource))


def render_view(view: View, types: Iterable[TypeUrl]) -> dict[str, list[dict[str, Any]]]:
    """The resources of a View by the short names of their types, sorted by name."""
    return {
        short_name(type_url): [render_resource(each) for _, each in sorted(view.resources(type_url).items())]
        for type_url in types
    }

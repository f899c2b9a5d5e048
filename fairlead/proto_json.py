"""Envoy resources in proto JSON."""

from collections.abc import Iterable
from typing import Any

from google.protobuf import descriptor_pool, message_factory
from google.protobuf.json_format import MessageToDict

from translator.view import GENERATORS, View
from xds.resource import Resource
from xds.types import TypeUrl, short_name

SERVED_TYPES = {short_name(generator.type_url): generator.type_url for generator in GENERATORS}


def render_resource(resource: Resource) -> dict[str, Any]:
    """One resource; the messages inside its ``Any`` fields are decoded as well."""
    name = resource.type_url.rpartition("/")[2]
    descriptor = descriptor_pool.Default().FindMessageTypeByName(name)
    message = message_factory.GetMessageClass(descriptor).FromString(resource.body)
    return MessageToDict(message)


def render_view(view: View, types: Iterable[TypeUrl]) -> dict[str, list[dict[str, Any]]]:
    """The resources of a View by the short names of their types, sorted by name."""
    return {
        short_name(type_url): [render_resource(each) for _, each in sorted(view.resources(type_url).items())]
        for type_url in types
    }

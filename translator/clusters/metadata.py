"""Metadata of clusters: which services and rules they come from, for people and for patches."""

from collections.abc import Iterable

import msgspec
from google.protobuf.struct_pb2 import ListValue, Struct

from translator.model.destination_rule import DestinationPolicy
from translator.model.service import Service
from translator.objects.registry import ObjectKey


class ServiceName(msgspec.Struct, frozen=True):
    """How metadata names a service."""

    host: str
    name: str
    namespace: str


def service_name(owner: Service) -> ServiceName:
    """Istio: a Kubernetes service goes by its own name, a ServiceEntry by its host."""
    return ServiceName(owner.hostname, owner.source.name if owner.kubernetes else owner.hostname, owner.namespace)


def rule_of(policy: DestinationPolicy | None) -> ObjectKey | None:
    """The DestinationRule that stands for all that were merged."""
    return policy.sources[0] if policy else None


def build_istio_metadata(
    services: Iterable[ServiceName], *, rule: ObjectKey | None = None, subset: str = "", external: bool = False
) -> Struct:
    """The value of the ``istio`` key."""
    message = Struct()
    entries = ListValue()
    for each in services:
        fields = entries.add_struct().fields
        fields["host"].string_value = each.host
        fields["name"].string_value = each.name
        fields["namespace"].string_value = each.namespace
    message.fields["services"].list_value.CopyFrom(entries)
    if rule is not None:
        message.fields[
            "config"
        ].string_value = f"/apis/networking.istio.io/v1/namespaces/{rule.namespace}/destination-rule/{rule.name}"
    if subset:
        message.fields["subset"].string_value = subset
    if external:
        message.fields["external"].bool_value = True
    return message

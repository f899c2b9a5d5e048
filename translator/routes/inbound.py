"""The inline route table of a sidecar's inbound listener: everything goes to the workload's own port."""

import msgspec
from envoy.config.route.v3 import route_components_pb2, route_pb2

from translator import pb
from translator.model.protocol import Protocol
from translator.objects.duration import Duration

_GRPC = frozenset({Protocol.GRPC, Protocol.GRPC_WEB})
_UNLIMITED = Duration.of(seconds=0)


class InboundRoute(msgspec.Struct, frozen=True, kw_only=True):
    """What the inbound table depends on.

    ``hostname`` is empty where no service stands behind the port (ingress of a Sidecar, unknown ports).
    """

    cluster: str
    service_port: int
    hostname: str = ""
    protocol: Protocol = Protocol.HTTP


def build_inbound_route(inputs: InboundRoute) -> route_pb2.RouteConfiguration:
    """The table, whatever host is asked for. Unlike tables that Envoy fetches, it would validate clusters."""
    virtual_host = route_components_pb2.VirtualHost(
        name=f"inbound|http|{inputs.service_port}", domains=["*"], routes=[_build_route(inputs)]
    )
    return route_pb2.RouteConfiguration(
        name=inputs.cluster,
        virtual_hosts=[virtual_host],
        validate_clusters=pb.boolean(False),  # noqa: FBT003 - a protobuf wrapper
    )


def _build_route(inputs: InboundRoute) -> route_components_pb2.Route:
    limits = route_components_pb2.RouteAction.MaxStreamDuration(
        max_stream_duration=pb.duration(_UNLIMITED), grpc_timeout_header_max=pb.duration(_UNLIMITED)
    )
    action = route_components_pb2.RouteAction(
        cluster=inputs.cluster, timeout=pb.duration(_UNLIMITED), max_stream_duration=limits
    )
    if inputs.protocol not in _GRPC:
        # Safe for every method: nothing has been read of the request yet.
        action.retry_policy.CopyFrom(
            route_components_pb2.RetryPolicy(retry_on="reset-before-request", num_retries=pb.uint32(2))
        )
    return route_components_pb2.Route(
        name="default",
        match=route_components_pb2.RouteMatch(prefix="/"),
        decorator=route_components_pb2.Decorator(operation=f"{inputs.hostname}:{inputs.service_port}/*"),
        route=action,
    )

"""What was measured, for those who read the result later."""

from typing import Any

from fairlead.bench.messages import Endpoint
from fairlead.bench.plan import Plan


def describe_plan(plan: Plan, endpoint: Endpoint) -> dict[str, Any]:
    """The sizes of a run, and how the control plane was spoken to."""
    shape = plan.shape
    return {
        "services": shape.services,
        "endpoints": shape.services * shape.endpoints,
        "namespaces": shape.namespaces,
        "virtual_services": shape.virtual_services,
        "destination_rules": shape.destination_rules,
        "scoped": shape.scoped,
        "sidecars": plan.sidecars,
        "gateways": plan.gateways,
        "connections": plan.connections or plan.sidecars + plan.gateways,
        "protocol": _protocol(endpoint),
    }


def _protocol(endpoint: Endpoint) -> str:
    if endpoint.poll:
        return f"REST, polled every {endpoint.poll:g} s"
    return "delta" if endpoint.delta else "sotw"

"""What was measured, for those who read the result later."""

from typing import Any

from fairlead.bench.plan import Plan


def describe_plan(plan: Plan) -> dict[str, Any]:
    """The sizes of a run."""
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
        "protocol": "delta" if plan.delta else "sotw",
    }

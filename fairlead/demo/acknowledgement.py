"""When a change was in force: asked of the control plane's record of pushes."""

from typing import Any

from fairlead.mesh.control_plane import ControlPlaneProcess
from fairlead.mesh.waiting import NotYetError, wait_until


async def wait_acknowledged(control_plane: ControlPlaneProcess, key: str, since: float) -> float:
    """Wait until every proxy that was sent a change of an object has acknowledged it; returns when the last did.

    ``key`` is the object as the control plane names it ("VirtualService default/shop"); ``since`` and the
    result are seconds since the epoch. Raises DeadlineExceededError.
    """

    async def probe() -> float:
        pushes: list[dict[str, Any]] = await control_plane.debug("pushes")
        # A push may have begun before, with the change of another object, and have taken this one in.
        told = [push for push in pushes if key in push["objects"] and push["responses"] and _is_complete(push)]
        acknowledged = [at for push in told if (at := push["at"] + push["last_ack_ms"] / 1000) >= since]
        if not acknowledged:
            raise NotYetError(f"no acknowledged push of {key}")
        return float(max(acknowledged))

    return await wait_until(probe)


def _is_complete(push: dict[str, Any]) -> bool:
    return bool(push["acks"] == push["responses"])

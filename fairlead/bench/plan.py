"""What a run is to do."""

from enum import StrEnum
from pathlib import Path

import msgspec

from fairlead.bench.load import ChangeKind, LoadShape
from fairlead.bench.messages import Endpoint


class Mode(StrEnum):
    """What is measured."""

    PUSH = "push"
    FANOUT = "fanout"
    CHURN = "churn"
    CONNECT = "connect"
    MEMORY = "memory"


class Peer(StrEnum):
    """What we can be compared with, in one run."""

    BARE = "grpc.aio"
    GO_CONTROL_PLANE = "go-control-plane"
    GO_CONTROL_PLANE_LINEAR = "go-control-plane-linear"
    SOVEREIGN = "sovereign"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """A run. Durations are in seconds.

    ``target``: the control plane to measure, None for a ``fairlead serve`` of our own. ``folder``: where the load is
    written; of our own control plane also where everything is kept. ``connections``: over how many the proxies come,
    0 for one each, as Envoys do. ``serve``: more arguments of our own control plane. ``envoy``: a real one is among
    the proxies. ``kubeconfig``: the load is written to this cluster and followed there, not in a folder; an empty text
    is kubectl's own. ``poll``: how long proxies wait until they ask a peer again that has no streams.
    """

    mode: Mode
    shape: LoadShape = LoadShape()
    sidecars: int = 10
    gateways: int = 0
    connections: int = 0
    processes: int = 1
    delta: bool = True
    target: Endpoint | None = None
    folder: Path | None = None
    yaml: bool = False
    kubeconfig: str | None = None
    fill: bool = True
    kinds: tuple[ChangeKind, ...] = (ChangeKind.ENDPOINT,)
    changes: int = 200
    pause: float = 0.02
    rate: float = 100.0
    duration: float = 60.0
    over: float = 0.0
    timeout: float = 60.0
    serve: tuple[str, ...] = ()
    peers: tuple[Peer, ...] = ()
    poll: float = 1.0
    envoy: bool = False

"""What the protocol tests share: a View to change, and conversations with its sessions."""

from collections.abc import Iterator

import grpc.aio
import pytest

from tests.protocol.models import Talk, World


@pytest.fixture(scope="session", autouse=True)
def _grpc_poller() -> Iterator[None]:
    # gRPC's own poller thread starts with its first user and would look like that test's leak.
    grpc.aio.init_grpc_aio()
    yield
    grpc.aio.shutdown_grpc_aio()


@pytest.fixture
def world() -> World:
    """A View without resources."""
    return World()


@pytest.fixture
def sotw(world: World) -> Talk:
    """A state-of-the-world stream of the world."""
    return Talk(world, delta=False)


@pytest.fixture
def delta(world: World) -> Talk:
    """A delta stream of the world."""
    return Talk(world, delta=True)

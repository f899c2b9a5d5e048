"""What the protocol tests share: a View to change, and conversations with its sessions."""

import pytest

from tests.protocol.models import Talk, World


@pytest.fixture(scope="session", autouse=True)
def _grpc(grpc_poller: None) -> None:
    """Every test here may use gRPC."""


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

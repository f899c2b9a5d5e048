"""Responses: joined and encoded once, then written to every stream that needs the same one.

A response carries its nonce, so equal responses to different streams are the same bytes object. Nonces
come from one counter of the server; a stream that already got the response takes a fresh copy.
"""

import copy
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final

import xxhash

from xds import wire
from xds.ledger import Holding, Pools
from xds.resource import Resource
from xds.steps import Steps
from xds.types import TypeUrl

_REMEMBERED: Final = 8


class Response:
    """An encoded response; shared between streams, alive for as long as one of them waits for its ACK.

    ``serial`` grows with every response of the server; ``nonce`` is its text.
    """

    def __init__(self, type_url: TypeUrl, serial: int, resources: list[Resource], removed: tuple[str, ...]) -> None:
        self.type_url = type_url
        self.serial = serial
        self.nonce = f"{serial:x}"
        self.version = version_of(resources, removed)
        self.resources = resources
        self.removed = removed
        self.payload = b""
        self.holding = Holding()

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all resources in the response, removed ones excluded."""
        return tuple(resource.name for resource in self.resources)

    def without_payload(self) -> "Response":
        """A copy for those who still wait for the ACK when nobody writes it any more."""
        made = copy.copy(self)
        made.payload = b""
        return made


class Encoder:
    """Makes the responses for the streams of one View.

    The few newest responses of each type are remembered (not kept alive), so that streams that ask for
    the same resources while others still hold the response share it.
    """

    def __init__(self, serials: Iterator[int], pools: Pools, *, delta: bool) -> None:
        self._serials = serials
        self._pools = pools
        self._delta = delta
        self._recent: dict[TypeUrl, deque[weakref.ref[Response]]] = {}
        self.steps = Steps()

    def response(
        self, type_url: TypeUrl, resources: list[Resource], removed: tuple[str, ...] = (), *, after: int = 0
    ) -> Response:
        """A response with exactly these resources and a nonce that no response up to serial ``after`` has."""
        recent = self._recent.get(type_url)
        if recent is None:
            recent = self._recent[type_url] = deque(maxlen=_REMEMBERED)
        for reference in recent:
            known = reference()
            # Lists compare elements by identity first: this is one pass in C and ends at the first difference.
            if (
                known is not None
                and known.serial > after
                and (known.resources is resources or known.resources == resources)
                and known.removed == removed
            ):
                return known
        made = self._encoded(Response(type_url, next(self._serials), resources, removed))
        recent.appendleft(weakref.ref(made))
        return made

    def _encoded(self, response: Response) -> Response:
        stamp = (response.type_url, response.version, response.nonce)
        if self._delta:
            response.payload = wire.encode_delta(stamp, response.resources, response.removed)
        else:
            response.payload = wire.encode_sotw(*stamp, response.resources)
        response.holding = self._pools.holdings.shared(
            Holding((resource.name, resource) for resource in response.resources)
        )
        return response


def version_of(resources: Sequence[Resource], removed: Sequence[str] = ()) -> str:
    """The version of a response: that of its resources when they agree, else a hash over all of them.

    It changes when content changes, is the same on every replica and after every restart, and is the
    snapshot's own version where one was given to all of its resources.
    """
    versions = [resource.version for resource in resources]
    if versions and not removed and versions.count(versions[0]) == len(versions):
        return versions[0]
    return xxhash.xxh3_64_hexdigest("\0".join((*versions, *removed)).encode())

"""Everything that the library raises.

    XdsError
    ├── StreamRejected        a stream is refused or ended with a status: raised by the application (or the library)
    │   ├── ProtocolViolation     the client broke the protocol: bytes that are no request, no node, no type URL
    │   └── LimitExceeded         too many streams, names or new streams per second
    ├── InconsistentResources a snapshot whose resources refer to what it does not hold
    └── UnsupportedMessage    a message that is no xDS resource

The codes are gRPC's by name, so that the protocol core does not need gRPC.
"""

from enum import Enum, auto


class Code(Enum):
    """The gRPC status codes that end a stream of this library."""

    OK = auto()
    INVALID_ARGUMENT = auto()
    DEADLINE_EXCEEDED = auto()
    PERMISSION_DENIED = auto()
    RESOURCE_EXHAUSTED = auto()
    UNIMPLEMENTED = auto()
    INTERNAL = auto()
    UNAVAILABLE = auto()
    UNAUTHENTICATED = auto()


class XdsError(Exception):
    """Root of the tree."""


class StreamRejected(XdsError):
    """The stream ends with ``code`` and ``message``; other streams are not concerned."""

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(f"{code.name}: {message}")
        self.code = code
        self.message = message


class ProtocolViolation(StreamRejected):
    """The client sent what no xDS client may send."""

    def __init__(self, message: str) -> None:
        super().__init__(Code.INVALID_ARGUMENT, message)


class LimitExceeded(StreamRejected):
    """A limit of ``xds.limits`` was reached."""

    def __init__(self, message: str) -> None:
        super().__init__(Code.RESOURCE_EXHAUSTED, message)


class InconsistentResources(XdsError):
    """Resources refer to others that are not there."""


class UnsupportedMessage(XdsError):
    """A message whose type is no xDS resource, so it has no name to be served under."""

"""Protobuf details that every builder needs: deterministic bytes, well-known types, joining of encoded pieces."""

from collections.abc import Iterable

from google.protobuf.any_pb2 import Any
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import BoolValue, UInt32Value

from translator.objects import duration as objects
from xds.resource import length_delimited


def encode(message: Message) -> bytes:
    """The bytes of a message; equal messages give equal bytes, so that versions do not flap over map order."""
    return message.SerializeToString(deterministic=True)


def pack(message: Message) -> Any:
    """``message`` inside an Any, deterministically."""
    return encoded_any(type(message), encode(message))


def encoded_any(kind: type[Message], body: bytes) -> Any:
    """A message that is encoded already inside an Any."""
    return Any(type_url=f"type.googleapis.com/{kind.DESCRIPTOR.full_name}", value=body)


def duration(value: objects.Duration) -> Duration:
    """A protobuf duration, exact to the nanosecond."""
    return Duration(seconds=value.seconds, nanos=value.nanos)


def seconds(value: int) -> Duration:
    """A protobuf duration of so many seconds."""
    return Duration(seconds=value)


def uint32(value: int) -> UInt32Value:
    """A wrapped unsigned integer: present even when zero."""
    return UInt32Value(value=value)


def boolean(value: bool) -> BoolValue:  # noqa: FBT001 - the value is the whole meaning
    """A wrapped boolean: present even when false."""
    return BoolValue(value=value)


def repeated(field: int, messages: Iterable[bytes]) -> bytes:
    """The records of a repeated message field, from messages that are encoded already.

    Protobuf allows to concatenate them with the other fields of the enclosing message.
    """
    return b"".join(length_delimited(field, message) for message in messages)

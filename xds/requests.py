"""Reads the requests of one discovery method, each distinct answer once.

A thousand streams that were sent the same response acknowledge it with the same bytes.
"""

from typing import Final

from xds.methods import Form, Method
from xds.wire import DeltaRequest, SotwRequest, decode_delta, decode_sotw, with_type

_REMEMBERED: Final = 64
# Answers to a state-of-the-world server repeat all names; those are not kept.
_SHORT: Final = 512


class RequestReader:
    """Decodes requests and remembers the newest short answers."""

    def __init__(self, method: Method) -> None:
        self._type_url = method.type_url
        self._decode = decode_delta if method.form is Form.DELTA else decode_sotw
        self._answers: dict[bytes, SotwRequest | DeltaRequest] = {}

    def read(self, raw: bytes) -> SotwRequest | DeltaRequest:
        """The request that these bytes are; raises ProtocolViolation when they are none."""
        known = self._answers.get(raw)
        if known is not None:
            return known
        request = with_type(self._decode(raw), self._type_url)
        if request.nonce and request.node is None and len(raw) <= _SHORT:
            if len(self._answers) >= _REMEMBERED:
                self._answers.clear()
            self._answers[raw] = request
        return request

"""Reads the requests of one discovery method, each distinct one once where that pays.

A thousand streams that were sent the same response acknowledge it with the same bytes. When they connect at once, each
asks for the endpoints of the same thousand clusters.
"""

from typing import Final

from xds.keepsakes import Keepsakes
from xds.methods import Form, Method
from xds.wire import DeltaRequest, SotwRequest, decode_delta, decode_sotw, with_type

_REMEMBERED: Final = 64
# Answers to a state-of-the-world server repeat all names; those are not kept.
_SHORT: Final = 512
# Longer ones are kept while clients come, so many bytes of them.
_LONG: Final = 4096
_MOST_KEPT: Final = 4 << 20


class RequestReader:
    """Decodes requests and remembers the newest short answers; long requests as long as ``kept`` keeps them."""

    def __init__(self, method: Method) -> None:
        self.kept: Keepsakes[bytes, SotwRequest | DeltaRequest] = Keepsakes(_MOST_KEPT)
        self._type_url = method.type_url
        self._decode = decode_delta if method.form is Form.DELTA else decode_sotw
        self._answers: dict[bytes, SotwRequest | DeltaRequest] = {}

    def read(self, raw: bytes) -> SotwRequest | DeltaRequest:
        """The request that these bytes are; raises ProtocolViolation when they are none."""
        is_long = len(raw) >= _LONG
        known = self.kept.find(raw) if is_long else self._answers.get(raw)
        if known is not None:
            return known
        request = with_type(self._decode(raw), self._type_url)
        if request.node is not None:
            return request
        if is_long:
            self.kept.keep(raw, request, len(raw))
        elif request.nonce and len(raw) <= _SHORT:
            if len(self._answers) >= _REMEMBERED:
                self._answers.clear()
            self._answers[raw] = request
        return request

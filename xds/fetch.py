"""The unary Fetch methods: one request, one response, for clients that poll."""

import asyncio

from xds.gate import Call, Gate
from xds.methods import Method
from xds.session import Session
from xds.wire import decode_sotw, join, sotw_pieces, with_type


async def fetch(gate: Gate, method: Method, call: Call, raw: bytes) -> bytes:
    """Answer a Fetch call with the current resources; raises StreamRejected."""
    request = with_type(decode_sotw(raw), method.type_url)
    async with gate.admitted(call) as identity:
        client, view = await gate.attach(call, identity, request)
    try:
        session = Session(gate.hub.supply(view, delta=False), gate.hub.rules, delta=False, private=client.private)
        now = asyncio.get_running_loop().time()
        session.receive(request, now)
        sent = session.next_response(now)
        return sent.response.payload if sent is not None else join(sotw_pieces((request.type_url, "", ""), ()))
    finally:
        gate.discovery.detach(client)

"""A run's events as a server-sent stream: numbered without gaps, resumed after Last-Event-ID."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator

from fastapi import Request

from api.service.services import Services
from api.store.runs import FINAL, Event

POLL_S = 0.3
KEEP_ALIVE_S = 15.0


def encode(event: Event) -> bytes:
    data = json.dumps(event.data, ensure_ascii=False, separators=(",", ":"))
    return f"id: {event.seq}\nevent: {event.kind}\ndata: {data}\n\n".encode()


async def stream(request: Request, services: Services, run_id: str, after: int) -> AsyncIterator[bytes]:
    """Events with a number above `after`, until the final state or the longest life of a stream.

    A stream that ends early is resumed by the browser itself, one second later, from the last number that it saw.
    """
    ends = time.monotonic() + services.settings.events_stream_seconds_max
    last_sent = time.monotonic()
    yield b"retry: 1000\n\n"
    while time.monotonic() < ends and not await request.is_disconnected():
        found = await asyncio.to_thread(services.runs.events_after, run_id, after)
        for event in found:
            after = event.seq
            yield encode(event)
            if event.kind == "state" and event.data.get("state") in FINAL:
                return
        if found:
            last_sent = time.monotonic()
            continue
        run = await asyncio.to_thread(services.runs.get, run_id)
        if run is None or (run.is_final and after >= run.event_seq):
            return  # everything was told before this stream began
        if time.monotonic() - last_sent > KEEP_ALIVE_S:
            yield b": still here\n\n"
            last_sent = time.monotonic()
        await asyncio.sleep(POLL_S)

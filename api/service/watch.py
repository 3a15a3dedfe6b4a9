"""A run's events as a server-sent stream: numbered without gaps, resumed after Last-Event-ID.

One poll feeds all watchers of a process: it asks the database for the newest number of every run that is watched, and
reads the events of those that moved once, however many watch. A watcher that comes late or fell behind reads what it
has missed by itself.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import structlog

from api.store.runs import Event, Run, Runs

POLL_S = 0.3
KEEP_ALIVE_S = 15.0
_RUNS_A_QUERY = 500
_KEPT = 500  # events of a run that are kept for its watchers

log = structlog.get_logger()


def encode(event: Event) -> bytes:
    """An event as server-sent text."""
    data = json.dumps(event.data, ensure_ascii=False, separators=(",", ":"))
    return f"id: {event.seq}\nevent: {event.kind}\ndata: {data}\n\n".encode()


@dataclass
class _Feed:
    """What is known of a watched run. lines: encoded events, the last of which has the number `seq`."""

    seq: int = -1
    is_final: bool = False
    lines: list[bytes] = field(default_factory=list)
    watchers: int = 0
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def after(self, seq: int) -> list[bytes] | None:
        """Events above a number; None when they are not all kept here."""
        missing = self.seq - seq
        return None if missing > len(self.lines) else self.lines[len(self.lines) - missing :] if missing > 0 else []

    def add(self, events: list[Event], seq: int, is_final: bool) -> None:
        self.lines = [*self.lines, *map(encode, events)][-_KEPT:]
        self.seq, self.is_final = seq, is_final
        self.moved.set()
        self.moved = asyncio.Event()


class Watch:
    """The feeds of one process. Its own two threads read, so that watchers never take those that answer requests."""

    def __init__(self, runs: Runs) -> None:
        self.runs = runs
        self._feeds: dict[str, _Feed] = {}
        self._threads = ThreadPoolExecutor(2, thread_name_prefix="watch")
        self._task: asyncio.Task[None] | None = None

    @contextmanager
    def _feed(self, run_id: str) -> Iterator[_Feed]:
        feed = self._feeds.setdefault(run_id, _Feed())
        feed.watchers += 1
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._poll())
        try:
            yield feed
        finally:
            feed.watchers -= 1
            if not feed.watchers:
                self._feeds.pop(run_id, None)

    async def _poll(self) -> None:
        loop = asyncio.get_running_loop()
        while self._feeds:
            known = {id: feed.seq for id, feed in self._feeds.items() if not feed.is_final}
            try:
                for id, (seq, is_final, events) in (
                    await loop.run_in_executor(self._threads, self._look, known)
                ).items():
                    if id in self._feeds:
                        self._feeds[id].add(events, seq, is_final)
            except Exception as fault:  # noqa: BLE001 - the database may be away; whoever watches goes on watching
                log.warning("events could not be read", fault=f"{type(fault).__name__}: {fault}"[:300])
            await asyncio.sleep(POLL_S)

    def _look(self, known: dict[str, int]) -> dict[str, tuple[int, bool, list[Event]]]:
        """Of the runs that moved beyond what is known: newest number, whether final, and the events in between."""
        out = {}
        ids = list(known)
        for start in range(0, len(ids), _RUNS_A_QUERY):
            for id, (seq, is_final) in self.runs.heads(ids[start : start + _RUNS_A_QUERY]).items():
                if seq > known[id]:
                    events = self.runs.events_after(id, max(known[id], seq - _KEPT, 0))
                    newest = events[-1].seq if events else known[id]  # it may have moved on, or be far ahead
                    out[id] = (newest, is_final and newest >= seq, events)
        return out

    async def stream(self, run_id: str, after: int, seconds_max: float) -> AsyncIterator[bytes]:
        """Events with a number above `after`, until the final state or the longest life of a stream.

        A stream that ends early is resumed by the browser itself, one second later, from the last number that it saw.
        """
        loop = asyncio.get_running_loop()
        ends = time.monotonic() + seconds_max
        yield b"retry: 1000\n\n"
        read = loop.run_in_executor
        with self._feed(run_id) as feed:
            found: list[bytes] | None = None
            while (left := ends - time.monotonic()) > 0:
                moved = feed.moved
                if found is None:  # at the beginning, or fallen behind: what is missing is read from the database
                    missed = await read(self._threads, self.runs.events_after, run_id, after)
                    found = [encode(event) for event in missed]
                if found:
                    after += len(found)
                    yield b"".join(found)
                elif feed.is_final and after >= feed.seq:
                    return
                else:
                    try:
                        await asyncio.wait_for(moved.wait(), min(left, KEEP_ALIVE_S))
                    except TimeoutError:
                        yield b": still here\n\n"
                found = feed.after(after) if feed.seq >= 0 else []

    async def ended(self, run: Run, seconds: float) -> None:
        """Wait until a run is final, or for so long."""
        ends = time.monotonic() + seconds
        with self._feed(run.id) as feed:
            while not feed.is_final and (left := ends - time.monotonic()) > 0:
                with suppress(TimeoutError):
                    await asyncio.wait_for(feed.moved.wait(), left)

    def close(self) -> None:
        """Watch no longer."""
        if self._task is not None:
            self._task.cancel()
        self._threads.shutdown(wait=False, cancel_futures=True)

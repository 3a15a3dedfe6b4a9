"""The client for asyncio: the methods of `api.client.sync.Client`, which says what they do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import update_wrapper
from pathlib import Path
from typing import Concatenate, ParamSpec, Self, TypeVar

import httpx

from api.client.flows import Ask, Flow, Flows, Rest, Run, Stream, headers_of

T = TypeVar("T")
P = ParamSpec("P")


def _called(flow: Callable[Concatenate[Flows, P], Flow[T]]) -> Callable[Concatenate[AsyncClient, P], Awaitable[T]]:
    """The exchange as a method that carries it out."""

    async def call(self: AsyncClient, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._run(flow(self.flows, *args, **kwargs))

    update_wrapper(call, flow)
    return call


class AsyncClient:
    """`api.client.Client` for asyncio; use it with `async with`."""

    def __init__(
        self,
        server: str,
        key: str | None = None,
        *,
        tries: int = 6,
        timeout_s: float = 120.0,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.flows = Flows(tries)
        self._http = httpx.AsyncClient(base_url=server, headers=headers_of(key), timeout=timeout_s, transport=transport)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Let go of what it holds."""
        await self._http.aclose()

    async def _run(self, flow: Flow[T]) -> T:
        got: httpx.Response | httpx.TransportError | None = None
        while True:
            try:
                said = flow.send(got)
            except StopIteration as ended:
                value: T = ended.value
                return value
            got = None
            if isinstance(said, Rest):
                await asyncio.sleep(said.seconds)
                continue
            try:
                got = await self._send(said)
            except httpx.TransportError as broken:
                got = broken

    async def _send(self, ask: Ask) -> httpx.Response:
        return await self._http.request(ask.method, ask.path, content=ask.body, headers=ask.headers, params=ask.params)

    store_case = _called(Flows.store_case)
    store_history = _called(Flows.store_history)
    plan = _called(Flows.plan)
    start = _called(Flows.start)
    look = _called(Flows.look)
    stop = _called(Flows.stop)
    cancel = _called(Flows.cancel)
    files = _called(Flows.files)
    content = _called(Flows.content)
    table = _called(Flows.table)
    report = _called(Flows.report)
    signatures = _called(Flows.signatures)
    sign = _called(Flows.sign)
    label = _called(Flows.label)

    async def progress(self, run: Run) -> AsyncIterator[Run]:
        """See `Client.progress`."""
        stream = Stream(run)
        while True:
            ask = stream.ask
            try:
                async with self._http.stream("GET", ask.path, headers=ask.headers) as answer:
                    if answer.is_success:
                        async for line in answer.aiter_lines():
                            for now in stream.take(line):
                                yield now
            except httpx.TransportError:
                await asyncio.sleep(1.0)
            now = await self.look(run)
            if now.is_final:  # the events tell the state, this tells the summary as well
                yield now
                return

    async def wait(self, run: Run) -> Run:
        """See `Client.wait`."""
        ended = run
        async for now in self.progress(run):
            ended = now
        return ended

    async def download(self, run: Run, folder: Path) -> list[Path]:
        """See `Client.download`."""
        out = []
        for file in await self.files(run):
            path = folder / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(await self.content(file.href))
            out.append(path)
        return out

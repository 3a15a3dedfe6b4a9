"""The client for asyncio: the methods of `api.client.sync.Client`, which says what they do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import httpx

from api.client.flows import Action, Ask, File, Flow, Flows, Json, Rest, Run, Stored, Stream, headers_of

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")


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

    async def store_case(self, case: Json | str | Path, *, key: str | None = None) -> Stored:
        return await self._run(self.flows.store_case(case, key=key))

    async def store_history(
        self,
        history: str | Path | bytes,
        *,
        name: str = "",
        timezone: str = "Asia/Shanghai",
        read: tuple[str, ...] = (),
        key: str | None = None,
    ) -> Stored:
        return await self._run(self.flows.store_history(history, name=name, timezone=timezone, read=read, key=key))

    async def plan(
        self,
        case: Stored | str,
        *,
        history: Stored | str | None = None,
        forecast: Run | str | None = None,
        gap: float = 0.01,
        seconds: float = 180.0,
        seed: int = 1,
        key: str | None = None,
        **more: Any,
    ) -> Run:
        flow = self.flows.plan(
            case, history=history, forecast=forecast, gap=gap, seconds=seconds, seed=seed, key=key, **more
        )
        return await self._run(flow)

    async def start(self, path: str, body: Json, *, key: str | None = None) -> Run:
        """Ask for any other work: "/v1/forecasts", "/v1/comparisons", "/v1/plans/{id}/questions" and so on."""
        return await self._run(self.flows.start(path, body, key=key))

    async def look(self, run: Run) -> Run:
        return await self._run(self.flows.look(run))

    async def stop(self, run: Run) -> Run:
        return await self._run(self.flows.steer(run, "stop"))

    async def cancel(self, run: Run) -> Run:
        return await self._run(self.flows.steer(run, "cancel"))

    async def progress(self, run: Run) -> AsyncIterator[Run]:
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
        ended = run
        async for now in self.progress(run):
            ended = now
        return ended

    async def files(self, run: Run) -> list[File]:
        return await self._run(self.flows.files(run))

    async def download(self, run: Run, folder: Path) -> list[Path]:
        out = []
        for file in await self.files(run):
            path = folder / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(await self.content(file.href))
            out.append(path)
        return out

    async def content(self, href: str) -> bytes:
        return await self._run(self.flows.content(href))

    async def table(self, run: Run, name: str) -> pd.DataFrame:
        frame: pd.DataFrame = await self._run(self.flows.table(run, name))
        return frame

    async def signatures(self, run: Run | str) -> Json:
        return await self._run(self.flows.signatures(run))

    async def sign(self, run: Run | str, action: Action, *, key: str | None = None, **more: Any) -> Json:
        return await self._run(self.flows.sign(run, action, key=key, **more))

    async def label(self, run: Run, **labels: Any) -> Run:
        return await self._run(self.flows.label(run, **labels))

    async def report(self, run: Run, language: Literal["en", "zh"] = "en") -> bytes:
        return await self._run(self.flows.report(run, language))

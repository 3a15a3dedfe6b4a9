"""The client for plain code."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import update_wrapper
from pathlib import Path
from typing import Concatenate, ParamSpec, Self, TypeVar

import httpx

from api.client.flows import Ask, Flow, Flows, Rest, Run, Stream, headers_of

T = TypeVar("T")
P = ParamSpec("P")


def _called(flow: Callable[Concatenate[Flows, P], Flow[T]]) -> Callable[Concatenate[Client, P], T]:
    """The exchange as a method that carries it out."""

    def call(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self._run(flow(self.flows, *args, **kwargs))

    update_wrapper(call, flow)
    return call


class Client:
    """A service at `server` ("http://127.0.0.1:8000"). key: an API key; None where the service needs none.

    transport: for tests. Use it as a context manager, or `close` it. Methods raise ApiError.
    """

    def __init__(
        self,
        server: str,
        key: str | None = None,
        *,
        tries: int = 6,
        timeout_s: float = 120.0,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.flows = Flows(tries)
        self._http = httpx.Client(base_url=server, headers=headers_of(key), timeout=timeout_s, transport=transport)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of what it holds."""
        self._http.close()

    def _run(self, flow: Flow[T]) -> T:
        got: httpx.Response | httpx.TransportError | None = None
        while True:
            try:
                said = flow.send(got)
            except StopIteration as ended:
                value: T = ended.value
                return value
            got = None
            if isinstance(said, Rest):
                time.sleep(said.seconds)
                continue
            try:
                got = self._send(said)
            except httpx.TransportError as broken:
                got = broken

    def _send(self, ask: Ask) -> httpx.Response:
        return self._http.request(ask.method, ask.path, content=ask.body, headers=ask.headers, params=ask.params)

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

    def progress(self, run: Run) -> Iterator[Run]:
        """The run after each of its events, to its end; a stream that breaks is taken up where it broke."""
        stream = Stream(run)
        while True:
            ask = stream.ask
            try:
                with self._http.stream("GET", ask.path, headers=ask.headers) as answer:
                    if answer.is_success:
                        for line in answer.iter_lines():
                            yield from stream.take(line)
            except httpx.TransportError:
                time.sleep(1.0)
            now = self.look(run)
            if now.is_final:  # the events tell the state, this tells the summary as well
                yield now
                return

    def wait(self, run: Run) -> Run:
        """The run when it has ended. `Run.result()` gives its summary, or raises what went wrong."""
        ended = run
        for now in self.progress(run):
            ended = now
        return ended

    def download(self, run: Run, folder: Path) -> list[Path]:
        """Write every file of a result below `folder`; a plan's folder can be read by every command."""
        out = []
        for file in self.files(run):
            path = folder / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.content(file.href))
            out.append(path)
        return out

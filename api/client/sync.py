"""The client for plain code."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar

import httpx

from api.client.flows import Action, Ask, File, Flow, Flows, Json, Rest, Run, Stored, Stream, headers_of

if TYPE_CHECKING:
    import pandas as pd

T = TypeVar("T")


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

    def store_case(self, case: Json | str | Path, *, key: str | None = None) -> Stored:
        """Store a case: a document, or a file in JSON or YAML with its tables beside it. Raises CaseError."""
        return self._run(self.flows.store_case(case, key=key))

    def store_history(
        self,
        history: str | Path | bytes,
        *,
        name: str = "",
        timezone: str = "Asia/Shanghai",
        read: tuple[str, ...] = (),
        key: str | None = None,
    ) -> Stored:
        """Store a history in any of the formats of docs/histories.md; read: KEY=VALUE, what its file leaves open."""
        return self._run(self.flows.store_history(history, name=name, timezone=timezone, read=read, key=key))

    def plan(
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
        """Ask for a plan. more: further members of the request, as /docs describes them."""
        flow = self.flows.plan(
            case, history=history, forecast=forecast, gap=gap, seconds=seconds, seed=seed, key=key, **more
        )
        return self._run(flow)

    def start(self, path: str, body: Json, *, key: str | None = None) -> Run:
        """Ask for any other work: "/v1/forecasts", "/v1/comparisons", "/v1/plans/{id}/questions" and so on."""
        return self._run(self.flows.start(path, body, key=key))

    def look(self, run: Run) -> Run:
        """The run as it stands now."""
        return self._run(self.flows.look(run))

    def stop(self, run: Run) -> Run:
        """Ask for the best plan so far."""
        return self._run(self.flows.steer(run, "stop"))

    def cancel(self, run: Run) -> Run:
        """Give the run up."""
        return self._run(self.flows.steer(run, "cancel"))

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

    def files(self, run: Run) -> list[File]:
        """The files of a finished run's result."""
        return self._run(self.flows.files(run))

    def download(self, run: Run, folder: Path) -> list[Path]:
        """Write every file of a result below `folder`; a plan's folder can be read by every command."""
        out = []
        for file in self.files(run):
            path = folder / file.path
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(self.content(file.href))
            out.append(path)
        return out

    def content(self, href: str) -> bytes:
        """Whatever lies at an address of the service."""
        return self._run(self.flows.content(href))

    def table(self, run: Run, name: str) -> pd.DataFrame:
        """A table of a result."""
        frame: pd.DataFrame = self._run(self.flows.table(run, name))
        return frame

    def signatures(self, run: Run | str) -> Json:
        """Where a plan stands in signing, the hash of its content, and the log about it."""
        return self._run(self.flows.signatures(run))

    def sign(self, run: Run | str, action: Action, *, key: str | None = None, **more: Any) -> Json:
        """Propose, comment, approve, reject or withdraw. more: comment, scope, content_sha256 (needed to approve)."""
        return self._run(self.flows.sign(run, action, key=key, **more))

    def label(self, run: Run, **labels: Any) -> Run:
        """Give a run another `name`, `tags`, or put it away (`archived=True`)."""
        return self._run(self.flows.label(run, **labels))

    def report(self, run: Run, language: Literal["en", "zh"] = "en") -> bytes:
        """The self-contained HTML report."""
        return self._run(self.flows.report(run, language))

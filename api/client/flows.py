"""What is said to the service and what its answers mean, without any input or output.

Each exchange is a generator: it yields what to send or how long to rest, is given the answer, and returns a value. The
two clients only differ in how they send and rest.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Generator, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar
from uuid import uuid4

import httpx

if TYPE_CHECKING:
    import pandas as pd

Json = dict[str, Any]
T = TypeVar("T")
FINAL = ("finished", "failed", "cancelled")
Action = Literal["propose", "comment", "approve", "reject", "withdraw"]
State = Literal["queued", "running", "finished", "failed", "cancelled"]
_AGAIN = (429, 502, 503, 504)
_LONGEST_REST_S = 30.0


class ApiError(Exception):
    """A problem (RFC 9457) that the service answered with. `kind` is the last part of its type, such as "not-found"."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.kind = str(problem.get("type", "http")).rsplit("/", 1)[-1]
        self.title, self.detail = str(problem.get("title", "")), str(problem.get("detail", ""))
        self.errors: list[Json] = list(problem.get("errors", []))
        told = [self.title, self.detail, *(f"{e.get('pointer', '')}: {e.get('detail', '')}" for e in self.errors)]
        super().__init__(" ".join(part for part in told if part) or f"HTTP {status}")

    @classmethod
    def of(cls, answer: httpx.Response) -> Self:
        """The problem in an answer."""
        try:
            problem = answer.json()
        except ValueError:
            problem = {}
        return cls(answer.status_code, problem if isinstance(problem, dict) else {})


@dataclass(frozen=True)
class Stored:
    """A stored case or history; `told` is all that the service says of it."""

    id: str
    name: str
    told: Json


@dataclass(frozen=True)
class File:
    """A file of a result."""

    path: str
    sha256: str
    bytes: int
    href: str


@dataclass(frozen=True)
class Run:
    """A plan, forecast, comparison, replay or question, as it stood when it was last looked at."""

    id: str
    kind: str
    state: State
    name: str
    progress: Json | None
    summary: Json | None
    problem: Json | None
    links: dict[str, str]

    @property
    def is_final(self) -> bool:
        """Whether it has ended, however."""
        return self.state in FINAL

    @classmethod
    def of(cls, told: Json) -> Self:
        """The run as the service tells it."""
        known: dict[str, Any] = {name: told.get(name) for name in cls.__dataclass_fields__}
        return cls(**known)

    def result(self) -> Json:
        """The summary of a finished run. Raises ApiError with the problem of one that failed or was cancelled."""
        if self.state == "finished":
            return self.summary or {}
        raise ApiError(int((self.problem or {}).get("status", 409)), self.problem or {"title": f"It is {self.state}."})


@dataclass(frozen=True)
class Ask:
    """A request. repeatable: whether sending it twice does no more than sending it once."""

    method: str
    path: str
    body: bytes | None = None
    headers: dict[str, str] = field(default_factory=dict)
    params: dict[str, Any] = field(default_factory=dict)
    repeatable: bool = True


@dataclass(frozen=True)
class Rest:
    """Wait so long before going on."""

    seconds: float


Flow = Generator[Ask | Rest, httpx.Response | httpx.TransportError | None, T]


def exchanged(ask: Ask, tries: int) -> Flow[httpx.Response]:
    """The answer to a request, which is sent again when the connection breaks or the server has no time.

    Raises ApiError for a problem, httpx.TransportError when the last try got no answer.
    """
    for turn in range(tries):
        got = yield ask
        last = turn == tries - 1 or not ask.repeatable
        if isinstance(got, httpx.Response):
            if got.is_success or got.status_code == 304:
                return got
            if got.status_code not in _AGAIN or last:
                raise ApiError.of(got)
            rest = got.headers.get("retry-after", "")
            yield Rest(min(float(rest), _LONGEST_REST_S) if rest.isdigit() else _pause(turn))
        elif last:
            assert isinstance(got, httpx.TransportError)
            raise got
        else:
            yield Rest(_pause(turn))
    raise AssertionError("unreachable")


def _pause(turn: int) -> float:
    """Longer each time, and never the same for two clients that were cut off together."""
    return min(0.25 * float(2**turn), _LONGEST_REST_S) * random.uniform(0.5, 1.0)


@dataclass(frozen=True)
class Flows:
    """Every exchange that both clients offer. tries: how often a request is sent at most."""

    tries: int = 6

    def _json(self, ask: Ask) -> Flow[Json]:
        answer = yield from exchanged(ask, self.tries)
        told: Json = answer.json()
        return told

    def _post(self, path: str, body: Any, key: str | None, **headers: str) -> Ask:
        sent = {"Content-Type": "application/json", "Idempotency-Key": key or uuid4().hex, **headers}
        return Ask("POST", path, json.dumps(body).encode(), sent)

    def store_case(self, case: Json | str | Path, *, key: str | None = None) -> Flow[Stored]:
        """Store a case: a document, or a file in JSON or YAML with its tables beside it. Raises CaseError."""
        if not isinstance(case, dict):
            # the service has none of the tables that stand beside a case: it is read here and sent whole
            from planner.case.file import dump_case, read_case

            case = dump_case(read_case(case))
        ask = self._post("/v1/cases", case, key)
        told = yield from self._json(ask)
        return Stored(told["id"], told["name"], told)

    def store_history(
        self,
        history: str | Path | bytes,
        *,
        name: str = "",
        timezone: str = "Asia/Shanghai",
        read: tuple[str, ...] = (),
        key: str | None = None,
    ) -> Flow[Stored]:
        """Store a history in any of the formats of docs/histories.md; read: KEY=VALUE, what its file leaves open."""
        body = history if isinstance(history, bytes) else Path(history).read_bytes()
        called = name or ("history" if isinstance(history, bytes) else Path(history).name)
        headers = {"Content-Type": "application/octet-stream", "Idempotency-Key": key or uuid4().hex}
        params = {"name": called, "timezone": timezone, "read": list(read)}
        told = yield from self._json(Ask("POST", "/v1/histories", body, headers, params))
        return Stored(told["id"], told["name"], told)

    def start(self, path: str, body: Json, *, key: str | None = None) -> Flow[Run]:
        """Ask for any other work: "/v1/forecasts", "/v1/comparisons", "/v1/plans/{id}/questions" and so on."""
        told = yield from self._json(self._post(path, body, key))
        return Run.of(told)

    def plan(
        self,
        /,
        case: Stored | str,
        *,
        history: Stored | str | None = None,
        forecast: Run | str | None = None,
        gap: float = 0.01,
        seconds: float = 180.0,
        seed: int = 1,
        key: str | None = None,
        **more: Any,
    ) -> Flow[Run]:
        """Ask for a plan. more: further members of the request, as /docs describes them."""
        body = {"case_id": _id(case), "limits": {"gap": gap, "seconds": seconds, "seed": seed}, **more}
        body |= {"history_id": _id(history)} if history is not None else {}
        body |= {"forecast_id": _id(forecast)} if forecast is not None else {}
        return (yield from self.start("/v1/plans", body, key=key))

    def look(self, run: Run) -> Flow[Run]:
        """The run as it stands now."""
        return Run.of((yield from self._json(Ask("GET", run.links["self"]))))

    def stop(self, run: Run) -> Flow[Run]:
        """Ask for the best plan so far; a run that has ended stays as it is."""
        return self._steer(run, "stop")

    def cancel(self, run: Run) -> Flow[Run]:
        """Give the run up; one that has ended stays as it is."""
        return self._steer(run, "cancel")

    def _steer(self, run: Run, wish: Literal["stop", "cancel"]) -> Flow[Run]:
        try:
            return Run.of((yield from self._json(Ask("POST", f"{run.links['self']}/{wish}"))))
        except ApiError as refused:
            if refused.kind != "already-final":
                raise
            return (yield from self.look(run))

    def files(self, run: Run) -> Flow[list[File]]:
        """The files of a finished run's result."""
        told = yield from self._json(Ask("GET", f"{run.links['self']}/result"))
        return [File(**one) for one in told["files"]]

    def content(self, href: str, params: Json | None = None) -> Flow[bytes]:
        """Whatever lies at an address of the service."""
        return (yield from exchanged(Ask("GET", href, params=params or {}), self.tries)).content

    def table(self, run: Run, name: str) -> Flow[pd.DataFrame]:
        """A table of a result."""
        from io import BytesIO

        import pandas as pd

        body = yield from self.content(f"{run.links['self']}/tables/{name}", {"format": "parquet"})
        return pd.read_parquet(BytesIO(body))

    def report(self, run: Run, language: Literal["en", "zh"] = "en") -> Flow[bytes]:
        """The self-contained HTML report."""
        return (yield from self.content(f"{run.links['self']}/report", {"lang": language}))

    def signatures(self, run: Run | str) -> Flow[Json]:
        """Where a plan stands in signing, the hash of its content, and the log about it."""
        return (yield from self._json(Ask("GET", f"/v1/plans/{_id(run)}/signatures")))

    def sign(self, /, run: Run | str, action: Action, *, key: str | None = None, **more: Any) -> Flow[Json]:
        """Propose, comment, approve, reject or withdraw. more: comment, scope, content_sha256 (needed to approve)."""
        body = {"action": action, **more}
        return (yield from self._json(self._post(f"/v1/plans/{_id(run)}/signatures", body, key)))

    def label(self, /, run: Run, **labels: Any) -> Flow[Run]:
        """Give a run another `name`, `tags`, or put it away (`archived=True`)."""
        sent = {"Content-Type": "application/json"}
        ask = Ask("PATCH", run.links["self"], json.dumps(labels).encode(), sent)
        return Run.of((yield from self._json(ask)))


def _id(given: Stored | Run | str) -> str:
    return given if isinstance(given, str) else given.id


@dataclass
class Stream:
    """Lines of an event stream, made into runs. `after` is the number of the last event that came whole."""

    run: Run
    after: int = 0
    _fields: dict[str, str] = field(default_factory=dict)

    @property
    def ask(self) -> Ask:
        """The request for events after the last one."""
        return Ask("GET", self.run.links["events"], headers={"Last-Event-ID": str(self.after)})

    def take(self, line: str) -> Iterator[Run]:
        """The run as it stands after a line that ends an event."""
        name, _, value = line.partition(": ")
        if line:
            self._fields[name] = value
            return
        fields, self._fields = self._fields, {}
        if "id" not in fields or int(fields["id"]) <= self.after:
            return
        self.after = int(fields["id"])
        data = json.loads(fields["data"])
        known = self.run.__dict__
        if fields["event"] == "progress":
            self.run = Run(**known | {"state": "running", "progress": data})
        elif fields["event"] == "state":
            self.run = Run(**known | {"state": data["state"], "problem": data.get("problem")})
        yield self.run


Headers = Callable[[], dict[str, str]]


def headers_of(key: str | None) -> dict[str, str]:
    """Headers of every request."""
    return {"User-Agent": "tideplan-client"} | ({"Authorization": f"Bearer {key}"} if key else {})

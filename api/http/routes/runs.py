"""What every kind of run offers: list, state, events, result, files, stop and cancel. One router a kind."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request, Response
from fastapi.responses import FileResponse, JSONResponse, StreamingResponse

from api.http import conditional
from api.http.routes.common import After, Limit, cursor_problem, missing, next_link, problems
from api.http.schemas.runs import FileEntry, RunPage, RunResult, RunState
from api.http.security import Caller, Planner, ServicesDep, Viewer
from api.jobs.kinds import Kind
from api.jobs.problems import ProblemError
from api.service.services import Services
from api.store import pages
from api.store.labels import Sought
from api.store.runs import Run, State, run_of
from api.store.signatures import digest


def _sought(
    state: Annotated[State | None, Query()] = None,
    q: Annotated[str, Query(max_length=200, description="Words of the name or of tags, all of them.")] = "",
    tag: Annotated[str | None, Query(max_length=60)] = None,
    archived: Annotated[bool, Query(description="Those that were put away, in place of the others.")] = False,
) -> Sought:
    return Sought(tuple(q.split()), state, tag, archived)


Looked = Annotated[Sought, Depends(_sought)]


def run_or_404(services: Services, kind: str, id: str) -> Run:
    """The run. Raises ProblemError where there is none of that kind."""
    run = services.runs.get(id, kind)
    if run is None:
        raise missing(kind, id)
    return run


def states_of(services: Services, runs: Sequence[Run]) -> list[RunState]:
    """Runs as they are told of, plans with where they stand in signing."""
    log = services.signatures.log().standings if any(run.kind == "plan" for run in runs) else {}
    return [RunState.of(run, log[run.id].state if run.id in log else None) for run in runs]


def finished_or_409(services: Services, kind: str, id: str) -> Run:
    """The run with its result. Raises ProblemError while it is under way, or when it ended without one."""
    run = run_or_404(services, kind, id)
    if not run.is_final:
        raise ProblemError("not-ready", f"The {kind} is {run.state}.", headers={"Retry-After": "1"})
    if run.state != "finished":
        cause = {"cause": run.problem} if run.problem else {}
        raise ProblemError("no-result", f"The {kind} is {run.state}.", **cause)
    return run


def file_of(run: Run, path: str) -> tuple[str, dict[str, Any]]:
    """Hash and entry of one of a result's files. Raises ProblemError when there is none of that name."""
    entry = (run.files or {}).get(path)
    if entry is None:
        raise missing("file", path)
    return entry["sha256"], entry


def steerable(services: Services, caller: Caller, kind: str, id: str) -> Run:
    """A run that the caller may stop: its own, or any for an admin."""
    run = run_or_404(services, kind, id)
    if run.owner != caller.owner and not caller.may("admin"):
        raise ProblemError("forbidden", "It belongs to another key; allowed: its own key or an admin's.")
    return run


def run_router(of: Kind) -> APIRouter:
    """The common routes of one kind of run, below its own address."""
    kind, plural, base = of.name, of.plural, of.base
    router = APIRouter(prefix=base, tags=[plural])

    @router.get("", response_model=RunPage, responses=problems(), operation_id=f"list_{plural}")
    def page(
        services: ServicesDep,
        _caller: Viewer,
        response: Response,
        sought: Looked,
        after: After = None,
        limit: Limit = 50,
    ) -> RunPage:
        """Newest first, a page at a time."""
        try:
            found = services.runs.page(kind, where=sought.where(), after=after, limit=limit)
        except pages.CursorError as fault:
            raise cursor_problem(fault) from fault
        response.headers.update(next_link(base, found.next))
        runs = [run_of(row) for row in found.rows]
        return RunPage(items=states_of(services, runs), next=found.next)

    @router.get("/{id}", response_model=RunState, responses=problems(404), operation_id=f"get_{kind}")
    def state(services: ServicesDep, _caller: Viewer, request: Request, id: str) -> Response:
        """Where it stands. The ETag changes with every event, and with what people write beside it."""
        run = run_or_404(services, kind, id)
        (found,) = states_of(services, [run])
        beside = digest([found.name, found.tags, found.archived, found.standing])[:16]
        tag = conditional.etag(f"{run.id}.{run.event_seq}.{beside}")
        headers = {"ETag": tag, "Cache-Control": "private, no-cache"}
        if not run.is_final:
            headers["Retry-After"] = "1"
        same = conditional.not_modified(request, tag, headers["Cache-Control"])
        return same or JSONResponse(found.model_dump(mode="json"), headers=headers)

    @router.get(
        "/{id}/events",
        response_class=StreamingResponse,
        responses=problems(404)
        | {200: {"description": "Server-sent events: state, wish, progress.", "content": {"text/event-stream": {}}}},
        operation_id=f"watch_{kind}",
    )
    def watch(
        services: ServicesDep,
        _caller: Viewer,
        id: str,
        last_event_id: Annotated[str, Header(max_length=18, pattern=r"^[0-9]*$")] = "",
    ) -> StreamingResponse:
        """Progress as it comes; `Last-Event-ID` resumes behind the event of that number, without gap or duplicate."""
        run = run_or_404(services, kind, id)
        longest_s = services.settings.events_stream_seconds_max
        body = services.watch.stream(run.id, int(last_event_id or 0), longest_s)
        return StreamingResponse(body, media_type="text/event-stream", headers={"X-Accel-Buffering": "no"})

    _add_results(router, of)
    _add_steering(router, kind)
    return router


def _add_results(router: APIRouter, of: Kind) -> None:
    """What a finished run has come to."""
    kind, base = of.name, of.base

    @router.get(
        "/{id}/result", response_model=RunResult, responses=problems(404, 409), operation_id=f"get_{kind}_result"
    )
    def result(services: ServicesDep, _caller: Viewer, request: Request, id: str) -> Response:
        """The summary and the list of files; it never changes."""
        run = finished_or_409(services, kind, id)
        tag = conditional.etag(f"{run.id}.result")
        same = conditional.not_modified(request, tag, conditional.IMMUTABLE)
        if same is not None:
            return same
        files = [
            FileEntry(path=path, sha256=entry["sha256"], bytes=entry["bytes"], href=f"{base}/{run.id}/files/{path}")
            for path, entry in sorted((run.files or {}).items())
        ]
        body = RunResult(id=run.id, kind=kind, summary=run.summary or {}, inputs=run.inputs, files=files)
        headers = {"ETag": tag, "Cache-Control": conditional.IMMUTABLE}
        return JSONResponse(body.model_dump(mode="json"), headers=headers)

    @router.get(
        "/{id}/files/{path:path}",
        response_class=FileResponse,
        responses=problems(404, 409) | {200: {"content": {"application/octet-stream": {}}}},
        operation_id=f"get_{kind}_file",
    )
    def file(services: ServicesDep, _caller: Viewer, request: Request, id: str, path: str) -> Response:
        """One file of the result, as it was written."""
        run = finished_or_409(services, kind, id)
        sha256, _entry = file_of(run, path)
        tag = conditional.etag(sha256)
        same = conditional.not_modified(request, tag, conditional.IMMUTABLE)
        if same is not None:
            return same
        return FileResponse(
            services.artifacts.checked(sha256),
            media_type="application/octet-stream",
            filename=path.rsplit("/", 1)[-1],
            headers={"ETag": tag, "Cache-Control": conditional.IMMUTABLE},
        )


def _add_steering(router: APIRouter, kind: str) -> None:
    """Ending a run before its time."""

    @router.post(
        "/{id}/stop",
        response_model=RunState,
        status_code=202,
        responses=problems(404, 409),
        operation_id=f"stop_{kind}",
    )
    def stop(services: ServicesDep, caller: Planner, id: str) -> RunState:
        """Keep the best so far: the run ends soon, finished. One that still waits is cancelled."""
        run = steerable(services, caller, kind, id)
        if run.is_final:
            raise ProblemError("already-final", f"The {kind} is {run.state}.")
        return RunState.of(services.stop_run(id, caller.owner) or run)

    @router.post(
        "/{id}/cancel",
        response_model=RunState,
        status_code=202,
        responses=problems(404, 409),
        operation_id=f"cancel_{kind}",
    )
    def cancel(services: ServicesDep, caller: Planner, id: str) -> RunState:
        """Give it up: its solver is ended and nothing is kept. Cancelling twice is no error."""
        run = steerable(services, caller, kind, id)
        if run.is_final and run.state != "cancelled":
            raise ProblemError("already-final", f"The {kind} is {run.state}.")
        return RunState.of(services.cancel(id, caller.owner) or run)

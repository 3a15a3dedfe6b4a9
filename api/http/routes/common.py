"""What several routes share: page parameters, the documented problems, how a run is answered."""

from __future__ import annotations

import asyncio
import re
from typing import Annotated, Any

from fastapi import Header, Query, Response
from fastapi.responses import JSONResponse

from api.http.schemas.runs import RunState
from api.jobs.problems import MEDIA_TYPE, Problem, ProblemError
from api.service.services import Services
from api.store import pages
from api.store.runs import Run

After = Annotated[str | None, Query(max_length=200, description="Cursor of the page, from `next`.")]
Limit = Annotated[int, Query(ge=1, le=200, description="Entries in a page.")]
Prefer = Annotated[
    str | None, Header(max_length=200, description="`wait=10` waits up to ten seconds for the result (60 at most).")
]
WAIT_MAX_S = 60
ENDED_IN_TIME: dict[int | str, dict[str, Any]] = {
    200: {"model": RunState, "description": "It ended within `Prefer: wait`."}
}
_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*(\d{1,6})(?:$|[,;\s])")


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """OpenAPI's answers for these statuses, and for those that every route can give."""
    return {
        status: {"model": Problem, "description": "A problem (RFC 9457).", "content": {MEDIA_TYPE: {}}}
        for status in sorted({400, 401, 403, 408, 415, 421, 422, 429, 503, 507, *statuses})
    }


def cursor_problem(fault: pages.CursorError) -> ProblemError:
    """400 for a cursor that is none."""
    return ProblemError("bad-cursor", f"found {str(fault)[:60]!r}; allowed: the `next` of a page")


def missing(what: str, id: str) -> ProblemError:
    """404 for what is not there."""
    return ProblemError("not-found", f"There is no {what} {id}.")


def next_link(path: str, cursor: str | None) -> dict[str, str]:
    """The Link header to the next page."""
    return {"Link": f'<{path}?after={cursor}>; rel="next"'} if cursor else {}


def wait_seconds(prefer: str | None) -> int:
    """Seconds that `Prefer: wait=` asks for, as far as it is granted."""
    found = _WAIT.search(prefer or "")
    return min(int(found.group(1)), WAIT_MAX_S) if found else 0


async def answer_run(services: Services, run: Run, prefer: str | None) -> Response:
    """202 with Location; 200 when the run has ended within the time that the client prefers to wait."""
    seconds = wait_seconds(prefer)
    if seconds and not run.is_final:
        await services.watch.ended(run, seconds)
        found = await asyncio.to_thread(services.runs.get, run.id)
        run = found if found is not None else run
    state = RunState.of(run)
    headers = {"Location": state.links["self"]}
    if seconds:
        headers["Preference-Applied"] = f"wait={seconds}"
    if not run.is_final:
        headers["Retry-After"] = "1"
    return JSONResponse(state.model_dump(mode="json"), 200 if run.is_final else 202, headers=headers)

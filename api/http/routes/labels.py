"""How runs are kept in lists: names, tags, put away or not; deleting."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.http.routes.common import problems
from api.http.routes.runs import states_of, steerable
from api.http.schemas.runs import RunState
from api.http.schemas.signed import LabelRequest
from api.http.security import Planner, ServicesDep
from api.jobs.kinds import Kind
from api.jobs.problems import ProblemError


def add_label_routes(router: APIRouter, of: Kind) -> None:
    """PATCH and DELETE below the kind's address and id."""
    kind = of.name

    @router.patch("/{id}", response_model=RunState, responses=problems(404, 409), operation_id=f"label_{kind}")
    def label(services: ServicesDep, caller: Planner, id: str, asked: LabelRequest) -> RunState:
        """Give it another name, tags, or put it away. What is signed keeps its name."""
        run = steerable(services, caller, kind, id)
        name = None if asked.name is None else asked.name.strip()
        with services.database.write() as connection:
            log = services.signatures.held(connection)
            if name not in (None, run.name) and log.keeps(id):
                raise ProblemError("signed", f"It is {log.standings[id].state}; its name stands in what was signed.")
            services.labels.label(connection, run, caller.owner, name=name, tags=asked.tags, archived=asked.archived)
        (found,) = states_of(services, [services.runs.get(id) or run])
        return found

    @router.delete("/{id}", status_code=204, responses=problems(404, 409), operation_id=f"delete_{kind}")
    def delete(services: ServicesDep, caller: Planner, id: str) -> Response:
        """Delete it with its events, for ever. Not while it is under way, and nothing that was ever signed."""
        run = steerable(services, caller, kind, id)
        with services.database.write() as connection:
            if services.signatures.held(connection).of(id):
                raise ProblemError("signed", "The log of signatures names it.")
            if not services.labels.delete(connection, run, caller.owner):
                raise ProblemError("not-ready", f"The {kind} is {run.state}; cancel it first.")
        services.kept.forget(id)
        return Response(status_code=204)

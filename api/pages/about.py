"""The API's documents, and what a problem means."""

from __future__ import annotations

from fastapi import APIRouter, Response

from api.http.security import Viewer
from api.jobs.problems import PROBLEMS, ProblemError
from api.pages.common import ReaderDep, page

router = APIRouter()


@router.get("/docs")
def docs(_caller: Viewer, reader: ReaderDep) -> Response:
    """The API's documents; every file comes from this service."""
    return page("docs.html", reader)


@router.get("/problems/{kind}")
def problem(kind: str, reader: ReaderDep) -> Response:
    """What a problem type means."""
    if kind not in PROBLEMS:
        raise ProblemError("not-found", f"There is no problem type {kind}.")
    return page("problem.html", reader, section="", kind=kind, known=PROBLEMS[kind])

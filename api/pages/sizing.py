"""What would this model need here: a form, the cards by type, load against latency, and why cards will not do."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import ValidationError

from api.http.routes.sizing import known, sized
from api.http.schemas.sizing import SizingRequest
from api.http.security import ServicesDep, Viewer
from api.jobs.problems import ProblemError, count_of, fault_json, problem_json
from api.pages.common import Reader, ReaderDep, page, words

router = APIRouter()
_WIDTH, _HEIGHT = 640, 200


@router.get("/sizing")
def sizing(services: ServicesDep, caller: Viewer, reader: ReaderDep, request: Request) -> Response:
    """The form, and the answer to what the address asks for."""
    given = {k: v for k, v in request.query_params.items() if v.strip() and k not in ("lang", "card")}
    cards = [c for c in request.query_params.getlist("card") if c]
    told, problem, status = None, None, 200
    if "model" in given:
        try:
            told = _content(sized(services, caller, _asked(given, cards), words(reader.language).language), reader)
        except ProblemError as fault:
            problem = problem_json(fault.kind, fault.detail, **fault.members)
            status = problem["status"]
    defaults = {name: field.default for name, field in SizingRequest.model_fields.items()}
    return page(
        "sizing.html",
        reader,
        status=status,
        section="sizing",
        library=known(services, caller),
        asked=defaults | given,
        cards=cards,
        told=told,
        problem=problem,
    )


def _asked(given: dict[str, str], cards: list[str]) -> SizingRequest:
    """The question of an address. Raises ProblemError with every fault."""
    prices, errors = {}, []
    for rule in given.get("price", "").replace("，", ",").split(","):
        name, _, money = rule.partition("=")
        if rule.strip():
            try:
                prices[name.strip()] = float(money)
            except ValueError:
                errors.append(fault_json("/price", rule, "CARD=MONEY, such as h200=20"))
    body = {k: v for k, v in given.items() if k in SizingRequest.model_fields} | {"cards": cards}
    try:
        asked = SizingRequest.model_validate(body | {"price_per_card_hour": prices})
    except ValidationError as fault:
        errors += [fault_json("/" + "/".join(map(str, e["loc"])), str(e["input"]), e["msg"]) for e in fault.errors()]
    if errors:
        raise ProblemError("invalid-request", count_of(errors), errors=errors)
    return asked


def _content(answer: dict[str, Any], reader: Reader) -> dict[str, Any]:
    """The answer as texts and tables in the reader's language."""
    text, told = words(reader.language), answer["told"]
    best = answer["needs"][0] if answer["needs"] else None
    return {
        "said": told["said"],
        "needs": _grid(told["needs"], text("size.needs")),
        "curve": None if best is None else _grid(told["curve"], text("size.curve", stack=best["layout"])),
        "card": None if best is None else best["name"],
        "plot": None if best is None else _plot(best["curve"], text),
        "refused": told["refused"],
        "note": text("size.note"),
    }


def _grid(rows: list[dict[str, str]], title: str) -> dict[str, Any]:
    columns = [{"name": name, "numeric": i > 1} for i, name in enumerate(rows[0])] if rows else []
    return {"title": title, "columns": columns, "rows": [list(row.values()) for row in rows]}


def _plot(curve: list[dict[str, Any]], text: Any) -> dict[str, Any]:
    """Tokens a second and card against time a token, as points of a picture; axes from 0."""
    x, y = [p["output_tokens_per_s"] for p in curve], [p["tpot_ms"] for p in curve]
    right, top = max(x), max(y)
    at = [(50 + a / right * (_WIDTH - 70), _HEIGHT - 30 - b / top * (_HEIGHT - 50)) for a, b in zip(x, y, strict=True)]
    return {
        "width": _WIDTH,
        "height": _HEIGHT,
        "points": " ".join(f"{a:.1f},{b:.1f}" for a, b in at),
        "dots": [(f"{a:.1f}", f"{b:.1f}") for a, b in at],
        "most": text.number(right),
        "slowest": f"{top:,.1f} ms",
        "x": text("size.per_card"),
        "y": "TPOT",
    }

"""A bundled example planned by the service that is coming up, and told on its terminal while the page shows the same.

The work is a run like any other: the page's lists, events, tables and report have it, and a restart finds it again.
"""

from __future__ import annotations

import json
import math
import threading
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from api.service.services import Services
    from api.store.runs import Run
    from planner.case import Case
    from planner.words.wording import Wording

_POLL_S = 0.3
_READY_S = 60.0
_GAP = 0.01


class ExampleRun:
    """Asks the service for the plan of an example once it is ready, then tells how the run goes until it ends.

    seconds: for the search. The same example, case and version is planned once: a finished plan is shown again.
    """

    def __init__(self, name: str, case: Case, seconds: float, address: str, text: Wording) -> None:
        self._name, self._case, self._seconds = name, case, seconds
        self._address, self._text = address, text
        self._closing = threading.Event()

    def start(self, services: Services) -> None:
        """Begin, once the service is up."""
        threading.Thread(target=self._run, args=(services,), name="example", daemon=True).start()

    def close(self) -> None:
        """Follow it no longer."""
        self._closing.set()

    def _run(self, services: Services) -> None:
        from api.cli import console
        from api.jobs.problems import ProblemError
        from api.service.services import Readiness

        waited, found = 0.0, Readiness(False)
        while not self._closing.is_set() and waited < _READY_S and not (found := services.readiness()).ready:
            self._closing.wait(_POLL_S)
            waited += _POLL_S
        if self._closing.is_set():
            return
        try:
            if not found.ready:
                raise ProblemError("not-available", "; ".join(found.reasons))
            run = self._asked(services)
        except (ProblemError, OSError) as fault:
            console.say(self._text("cli.example_not_planned", reason=str(fault) or type(fault).__name__))
            return
        console.say(self._text("cli.example_address", address=f"{self._address}plans/{run.id}"))
        self._follow(services, run)

    def _asked(self, services: Services) -> Run:
        """The run of the example: the one that an earlier start asked for, unless that one came to nothing."""
        from api.http.routes import cases, histories, plans
        from api.http.schemas.requests import PlanRequest
        from api.http.security import Caller
        from api.http.upload import Upload
        from api.pages.drafts import example_history_file
        from planner.case.file import case_hash, dump_case

        caller = Caller("local", "admin")
        key = f"example:{self._name}:{case_hash(self._case)[:16]}:{self._seconds:g}"
        body = json.dumps(dump_case(self._case), ensure_ascii=False).encode()
        case = _body(cases.create(services, caller, (body, "application/json"), f"{key}:case"))
        past: Path = example_history_file(services, self._name, caller.owner)
        stored = services.artifacts.put_bytes(past.read_bytes())
        kind = "csv" if past.suffix == ".csv" else "parquet"
        upload = Upload(past.name, stored, kind, {})
        zone = self._case.meta.timezone
        key_of_history = f"{key}:history:{stored.sha256}"
        history = _body(histories.create(services, caller, upload, past.name, zone, idempotency_key=key_of_history))
        asked = PlanRequest.model_validate(
            {
                "case_id": case["id"],
                "history_id": history["id"],
                "limits": {"gap": _GAP, "seconds": self._seconds},
                "every_hour": True,
            }
        )
        attempt = 0
        while True:
            run = plans.accept(services, caller, asked, f"{key}:{stored.sha256}:{attempt}")
            if not run.is_final or run.state == "finished":
                return run
            attempt += 1

    def _follow(self, services: Services, run: Run) -> None:
        """Progress as it is stored, then the end in one sentence."""
        from api.cli import console

        solving = console.Solving(self._text, self._case.meta.currency, self._seconds)
        seen = 0
        with solving.shown():
            while not self._closing.is_set():
                for event in services.runs.events_after(run.id, seen):
                    seen = event.seq
                    if event.kind == "progress":
                        solving.told(event.data)
                now = services.runs.get(run.id)
                if now is None or now.is_final:
                    break
                self._closing.wait(_POLL_S)
        now = services.runs.get(run.id)
        if now is not None and now.is_final:
            console.say(self._ended(now))

    def _ended(self, run: Run) -> str:
        text, address = self._text, f"{self._address}plans/{run.id}"
        if run.state != "finished" or run.summary is None:
            detail = str((run.problem or {}).get("detail") or run.state)
            return text("cli.example_not_planned", reason=detail)
        summary = run.summary
        return text(
            "cli.example_planned",
            cost=text.money(float(summary["cost"]), summary["currency"]),
            gap=text.gap(math.nan if summary["gap"] is None else float(summary["gap"])),
            address=address,
        )


def _body(response: Any) -> dict[str, Any]:
    """What a route answered."""
    return dict(json.loads(response.body))

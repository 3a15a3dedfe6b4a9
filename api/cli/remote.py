"""What a command has a service do: `tideplan plan --server URL`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.cli.exits import UsageError
from forecasts.fault import Fault

if TYPE_CHECKING:
    from planner.case import Case
    from planner.plan import Plan
    from planner.plan.folders import Output
    from planner.solve.limits import Limits
    from planner.words.wording import Wording


@dataclass(frozen=True)
class Asked:
    """A plan that is asked for. reads: what the history's file leaves open, KEY=VALUE."""

    case: Case
    history: Path | None
    reads: tuple[str, ...]
    limits: Limits
    every_hour: bool


def refuse_what_stays_here(**options: Any) -> None:
    """Raises UsageError for options that only work on this machine."""
    given = [name for name, value in options.items() if value]
    if given:
        allowed = "the case's own history_mapping, ceilings and growth; a history that the service forecasts itself"
        raise UsageError([Fault(f"--{name}", "it beside --server", allowed) for name in given])


def plan_there(server: str, key: str | None, asked: Asked, output: Output, text: Wording) -> Plan:
    """Store case and history, follow the run, and bring its result into the folder. Ctrl-C asks for the best so far.

    Raises ApiError with the problem of the service, httpx.TransportError when it cannot be reached.
    """
    from api.cli import console
    from api.cli.stopping import stopping
    from api.client import Client
    from planner.case.file import dump_case
    from planner.plan import Plan

    with Client(server, key) as client:
        case = client.store_case(dump_case(asked.case))
        zone = asked.case.meta.timezone
        history = client.store_history(asked.history, timezone=zone, read=asked.reads) if asked.history else None
        limits = asked.limits
        run = client.plan(
            case,
            history=history,
            gap=limits.gap,
            seconds=limits.seconds,
            seed=limits.seed,
            every_hour=asked.every_hour,
        )
        console.say(text("cli.asked_of_server", run=run.id, server=server))
        solving = console.Solving(text, asked.case.meta.currency, limits.seconds)
        with stopping(text) as stop, solving.shown():
            told = False
            for now in client.progress(run):
                run = now
                if now.progress is not None and now.state == "running":
                    solving.told(now.progress)
                if stop.is_set() and not told:
                    client.stop(run)
                    told = True
        run.result()

        def write(draft: Path) -> None:
            client.download(run, draft)
            (draft / "report.html").write_bytes(client.report(run, "zh" if text.language == "zh-CN" else "en"))

        output.fill(write)
    return Plan.load(output.folder)

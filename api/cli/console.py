"""What the command line shows: progress, tables and failures on a terminal, or one JSON object."""

from __future__ import annotations

import json
import math
import os
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from forecasts.fault import Fault
from planner.words.wording import Wording, language_of, wording

if TYPE_CHECKING:
    from api.cli.exits import Told
    from planner.plan import Plan
    from planner.solve.progress import Progress

QUIET_EVERY_S = 10.0


_MOST_NOTES, _FIRST_NOTES = 10, 4

# Tables that go into a file or a pipe: wide enough that no word is broken.
_PIPED_COLUMNS = 132


def language(asked: str | None = None) -> str:
    """The language asked for, else that of the terminal (TIDEPLAN_LANGUAGE, LC_ALL, LC_MESSAGES, LANG)."""
    names = ("TIDEPLAN_LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
    return language_of(asked or next((os.environ[name] for name in names if os.environ.get(name)), None))


def words(asked: str | None = None) -> Wording:
    """The words of the language asked for, else of the environment's."""
    return wording(language(asked))


def out() -> Console:
    """Standard output."""
    return _console(sys.stdout)


def err() -> Console:
    """Standard error."""
    return _console(sys.stderr)


def _console(stream: IO[str]) -> Console:
    if stream.isatty():
        return Console(file=stream, highlight=False)
    width = None if os.environ.get("COLUMNS") else _PIPED_COLUMNS
    return Console(file=stream, highlight=False, soft_wrap=True, width=width)


def show_json(value: object) -> None:
    """One JSON object on standard output; what JSON cannot say (NaN, infinity) is null."""
    from api.jobs.childwork import json_ready

    sys.stdout.write(json.dumps(json_ready(value), ensure_ascii=False, allow_nan=False, indent=1) + "\n")
    sys.stdout.flush()


def show_failure(failure: Told, *, as_json: bool, language: str | None) -> None:
    """A failure: one JSON object on standard output, or words on standard error."""
    text = words(language)
    if as_json:
        error = {
            "kind": failure.key.partition(".")[2],
            "exit": int(failure.exit),
            "message": failure.message or text(failure.key),
            "faults": [_fault(one) for one in failure.faults],
        }
        show_json({"error": error})
        return
    console = err()
    tail = f": {escape(failure.message)}" if failure.message else ""
    console.print(f"[bold red]{escape(text(failure.key))}[/]{tail}")
    for fault in failure.faults:
        own = fault.told(text.language)
        console.print(f"  [bold]{escape(_place(own))}[/]")
        console.print(f"    {escape(text('fault.found', found=own.found))}")
        console.print(f"    {escape(text('fault.allowed', allowed=own.allowed))}")
        if own.remedy:
            console.print(f"    {escape(own.remedy)}")


def _place(fault: Fault) -> str:
    return f"{fault.where or '/'}{f' ({fault.note})' if fault.note else ''}"


def _fault(fault: Fault) -> dict[str, str]:
    out = {"where": _place(fault), "found": fault.found, "allowed": fault.allowed}
    if fault.remedy:
        out["remedy"] = fault.remedy
    if fault.zh is not None:
        out |= {"found_zh": fault.zh.found, "allowed_zh": fault.zh.allowed, "remedy_zh": fault.zh.remedy}
    return out


def table(title: str, columns: Sequence[tuple[str, bool]], rows: Sequence[Sequence[str]]) -> Table:
    """A table; columns are (heading, whether its cells are numbers)."""
    grid = Table(title=escape(title), title_justify="left", title_style="bold", header_style="dim", box=None)
    for name, numeric in columns:
        grid.add_column(escape(name), justify="right" if numeric else "left", overflow="fold")
    for row in rows:
        grid.add_row(*(escape(cell) for cell in row))
    return grid


class Solving:
    """Tells how a solve goes: a bar on a terminal, else a line every ten seconds, on standard error.

    One clock runs through all phases, and the best plan that is known stays told where a phase brings no other.
    """

    def __init__(self, text: Wording, currency: str, seconds: float) -> None:
        self.text, self.currency, self.seconds = text, currency, seconds
        self._bar: Any = None
        self._task: Any = None
        self._begun = self._told = time.monotonic()
        self._phase, self._proof, self._known = "", "", False

    @contextmanager
    def shown(self) -> Iterator[Solving]:
        """A line of progress, while the block runs."""
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        if not sys.stderr.isatty():
            ended = threading.Event()
            beating = threading.Thread(target=self._beat, args=(ended,), name="telling", daemon=True)
            beating.start()
            try:
                yield self
            finally:
                ended.set()
                beating.join()
            return
        with Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TimeElapsedColumn(),
            TextColumn("{task.fields[proof]}"),
            console=err(),
            transient=True,
        ) as self._bar:
            self._task = self._bar.add_task(self.text("progress.building"), total=self.seconds, proof="")
            yield self

    def __call__(self, progress: Progress) -> None:
        """Tell of progress in the solver's terms."""
        text = self.text
        known = math.isfinite(progress.objective) and progress.objective != 0
        if known or not self._known:
            self._known = known
            self._proof = text(
                "progress.proof",
                objective=text.money(progress.objective, self.currency) if known else "–",
                bound=text.money(progress.bound, self.currency) if math.isfinite(progress.bound) else "–",
                gap=text.gap(progress.gap),
            )
        self._phase = text.phase(progress.phase)
        if self._bar is not None:
            done = min(time.monotonic() - self._begun, self.seconds)
            self._bar.update(self._task, completed=done, description=escape(self._phase), proof=escape(self._proof))
        else:
            self._tell()

    def _tell(self) -> None:
        """A line, unless one was told a moment ago."""
        now = time.monotonic()
        if now - self._told >= QUIET_EVERY_S:
            self._told = now
            err().print(escape(f"{now - self._begun:.0f} s  {self._phase}  {self._proof}"))

    def _beat(self, ended: threading.Event) -> None:
        """Tell again what was told last, where a phase says nothing for long."""
        while not ended.wait(QUIET_EVERY_S / 4):
            if self._phase:
                self._tell()

    def told(self, progress: dict[str, Any]) -> None:
        """Progress as the service keeps it: what is not known is left out."""
        from planner.solve.progress import Progress

        def number(name: str) -> float:
            value = progress.get(name)
            return float(value) if isinstance(value, int | float) else math.nan

        phase, seconds = str(progress.get("phase", "")), float(progress.get("seconds", 0.0))
        self(Progress(number("objective"), number("bound"), number("gap"), phase, seconds))


def say(message: str) -> None:
    """A remark beside the result, on standard error."""
    err().print(f"[dim]{escape(message)}[/]")


def show_plan(plan: Plan, folder: str, report: str, text: Wording, *, short_of_gap: bool) -> None:
    """The answer first, then what it rests on, then where the files lie."""
    from api.cli.answers import show_table
    from planner.report.answer import answer
    from planner.report.figures import View
    from planner.report.reasons import owed
    from planner.report.tiles import tiles

    console, view = out(), View.of(plan, text.language)
    found = answer(plan, text.language)
    console.print(f"\n[bold]{escape(found.headline)}[/]\n")
    for sentence in owed(view):
        console.print(f"{escape(sentence)}\n")
    if len(found.now):
        show_table(found.now, text("report.answer"), text)
    for line in found.lines:
        console.print(escape(line))
    if found.cash is not None:
        show_table(found.cash, text("cash.title"), text)
    console.print(_costs(plan, text))
    console.print(_capacity(view, text))
    facts = [(tile["label"], f"{tile['value']}  ({tile['hint']})") for tile in tiles(plan, text)]
    console.print(table(text("cli.figures"), [("", False), ("", False)], facts))
    state = "cli.checked" if all(check["ok"] for check in plan.checks) else "report.checks_bad"
    console.print(escape(text(state, count=len(plan.checks))))
    if short_of_gap:
        gap = float(plan.certificate["gap"])
        open_gap = text("cli.gap_open", gap=text.gap(gap)) if math.isfinite(gap) else text("cli.gap_none")
        console.print(f"[yellow]{escape(open_gap)}[/]")
    notes = text.noted(plan.warnings)
    # The first are about the case and all its demand, the last about forecast, risk and checks; single series between.
    hidden = max(len(notes) - _MOST_NOTES, 0)
    told = notes[:_FIRST_NOTES] + notes[_FIRST_NOTES + hidden :] if hidden else notes
    for note in told:
        console.print(f"[dim]· {escape(note)}[/]")
    if hidden:
        console.print(f"[dim]… {escape(text('cli.more_notes', count=hidden))}[/]")
    console.print(f"\n{escape(text('cli.files', folder=folder))}")
    console.print(f"[bold]{escape(text('cli.report', report=report))}[/]")


def _costs(plan: Plan, text: Wording) -> Table:
    currency, costs = plan.case.meta.currency, plan.summary["cost_by_term"]
    total = plan.summary["cost"]
    rows = [
        [
            text.either(f"term.{term}", term),
            text.money(value, currency),
            text.percent(value / total if total > 0 else math.nan),
        ]
        for term, value in sorted(costs.items(), key=lambda item: -item[1])
        if value
    ]
    rows.append([text("cli.total"), text.money(total, currency), ""])
    return table(text("cli.costs"), [("", False), (text("discounted_cost"), True), (text("share"), True)], rows)


def _capacity(view: Any, text: Wording) -> Table:
    from planner.report.figures.capacity import capacity_by_period

    rows = [
        [
            view.periods[int(row["period"])],
            text.pflops(row["usable_pflops"]),
            text.pflops(row["p50_peak_pflops"]),
            text.pflops(row["p90_peak_pflops"]),
            text.number(row["build_ahead_ratio"], rounded="down"),
        ]
        for row in capacity_by_period(view).to_dict("records")
    ]
    names = ("usable", "p50_peak", "p90_peak", "build_ahead_ratio")
    return table(text("report.capacity"), [(text("period"), False), *((text(n), True) for n in names)], rows)

"""What a history's page shows of a back-test: the error against taking last week again, series by series."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from api.jobs.task import Task
from api.work.demand import history_of
from api.work.drawing import draw, write_json
from forecasts.history import History
from forecasts.lookback.backtest import backtest
from planner.report.figures import backtest_scores
from planner.words.wording import wording

HOURS, WINDOWS, MOST_SERIES = 168, 4, 24
"""A page waits for the scores: four origins a week apart, and the largest series, tell enough."""


def write(task: Task, out: Path) -> None:
    """The scores of a history. inputs["history"]; what is too short to be scored is said in the notes."""
    history, _report = history_of(task)
    words = wording(task.request["language"])
    chosen = largest(history)
    try:
        report = backtest(chosen, hours=HOURS, windows=WINDOWS)
    except ValueError:
        write_json(
            out / "content.json",
            {"charts": [], "notes": [words("lookback.week_short")], "series": 0, "of": len(history.series)},
        )
        return
    chart = backtest_scores(report.to_json(), words)
    write_json(
        out / "content.json",
        {
            "charts": [draw(out, chart, words)],
            "notes": words.noted(report.notes),
            "series": len(chosen.series),
            "of": len(history.series),
        },
    )


def largest(history: History) -> History:
    """The series with the largest means, in the history's order."""
    if len(history.series) <= MOST_SERIES:
        return history
    mean = np.nan_to_num(np.nanmean(history.values, axis=1))
    rows = np.sort(np.argsort(-mean, kind="stable")[:MOST_SERIES])
    return history.part(rows)

"""What goes wrong in sizing, said with place, finding and what is allowed."""

from __future__ import annotations

from collections.abc import Sequence

from planner.case.errors import PlanError, Problem


class SizingError(PlanError):
    """A sizing question that has no answer as it stands; `problems` holds every fault."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__(problems)


def refuse(where: str, found: str, allowed: str) -> SizingError:
    return SizingError([Problem(where, found, allowed)])

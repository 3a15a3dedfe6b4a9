"""What goes wrong in planning, said so that a user can mend it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Problem:
    """One fault: where it is, what was found there, what is allowed; `remedy` when there is a smallest change.

    zh: the same in Chinese, where it has been written.
    """

    where: str
    found: str
    allowed: str
    remedy: str = ""
    zh: Problem | None = None

    def told(self, language: str) -> Problem:
        """The problem in a language; in English where there is no other."""
        return self.zh if self.zh is not None and language.startswith("zh") else self

    def __str__(self) -> str:
        text = f"{self.where}: found {self.found}; allowed: {self.allowed}"
        return f"{text}; {self.remedy}" if self.remedy else text


class PlanError(ValueError):
    """A plan cannot be made from this input; `problems` holds every fault."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(str(p) for p in self.problems))


class InfeasibleError(PlanError):
    """The limits contradict each other; each problem names a limit and the smallest relaxation that helps."""


class StoppedError(PlanError):
    """Stopped by time or by hand before there was any plan."""

"""What is wrong with an input, the same on every floor: one fault, and the error that carries all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong: where it stands, what was found there, what is allowed.

    where: a JSON Pointer into a document ("" for the whole), or the name of a file, column, option or limit.
    kind: a short stable name ("unknown_id", "float_type"); note: where the value came from, if not the document itself;
    remedy: the smallest change that helps, where one is known; zh: the same in Chinese, where it has been written.
    """

    where: str
    found: str
    allowed: str
    kind: str = ""
    note: str = ""
    remedy: str = ""
    zh: Fault | None = None

    def told(self, language: str) -> Fault:
        """The fault in a language ("en", "zh-CN"); in English where there is no other."""
        return self.zh if self.zh is not None and language.startswith("zh") else self

    def moved(self, where: str) -> Fault:
        """The same fault at another place."""
        return replace(self, where=where, zh=None if self.zh is None else self.zh.moved(where))

    def __str__(self) -> str:
        origin = f" ({self.note})" if self.note else ""
        text = f"{self.where or '/'}{origin}: found {self.found}; allowed: {self.allowed}"
        return f"{text}; {self.remedy}" if self.remedy else text


class FaultsError(ValueError):
    """An input that cannot be used; `faults` holds every reason at once."""

    def __init__(self, faults: Sequence[Fault]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(map(str, self.faults)))

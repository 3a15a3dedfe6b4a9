"""Where each number of a case comes from: the source that speaks for a place in the document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from planner.case.case import Source

_APART = ("meta",)


def source_of(sources: Sequence[Source], pointer: str) -> Source | None:
    """The most exact source that covers a JSON Pointer, or None.

    A source covers its path and everything below it; `*` stands for any one part. Of several, the longest path speaks,
    then the one with fewest `*`, then the last.
    """
    best: Source | None = None
    best_rank = (-1, 0)
    for source in sources:
        parts = source.path.split("/")
        rank = (len(parts), -parts.count("*"))
        if rank >= best_rank and _covers(parts, pointer.split("/")):
            best, best_rank = source, rank
    return best


def number_pointers(document: Any, at: str = "") -> Iterator[str]:
    """JSON Pointers of every number of a plain case document (truth values are none), but for those in `meta`."""
    if isinstance(document, dict):
        for key, value in document.items():
            if at or key not in _APART:
                yield from number_pointers(value, f"{at}/{str(key).replace('~', '~0').replace('/', '~1')}")
    elif isinstance(document, (list, tuple)):
        for i, value in enumerate(document):
            yield from number_pointers(value, f"{at}/{i}")
    elif isinstance(document, (int, float)) and not isinstance(document, bool):
        yield at


def unsourced(document: Any, sources: Sequence[Source]) -> list[str]:
    """Pointers of the numbers of a plain case document that no source covers."""
    return [pointer for pointer in number_pointers(document) if source_of(sources, pointer) is None]


def leads_somewhere(path: str, document: Any) -> bool:
    """Whether a source's path (with `*` for any part) exists in a plain document."""
    places = [document]
    for part in path.split("/")[1:]:
        name = part.replace("~1", "/").replace("~0", "~")
        below: list[Any] = []
        for place in places:
            if isinstance(place, dict):
                below += place.values() if part == "*" else [place[name]] if name in place else []
            elif isinstance(place, (list, tuple)):
                below += (
                    place if part == "*" else [place[int(name)]] if name.isdigit() and int(name) < len(place) else []
                )
        places = below
    return bool(places)


def _covers(parts: Sequence[str], pointer: Sequence[str]) -> bool:
    if len(parts) > len(pointer):
        return False
    return all(part in ("*", there) for part, there in zip(parts, pointer, strict=False))

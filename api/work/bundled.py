"""The bundled examples: from the installed package, or from the repository when it is run in place."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any


def example_folder(name: str) -> Path:
    """The folder of a bundled example. Raises FileNotFoundError when this installation holds none."""
    import planner

    package = Path(next(iter(planner.__path__)))
    places = (package / "examples" / name, package.parent / "examples" / name)
    for place in places:
        if (place / "case.yaml").is_file():
            return place
    raise FileNotFoundError(2, "this installation holds no such example", str(places[0]))


def example_document(name: str) -> dict[str, Any]:
    """The case of a bundled example as one document; the national one with its regions grouped by hub."""
    from planner.case.file import dump_case, read_case
    from planner.case.grouping import grouped_by_hub

    case = read_case(example_folder(name) / "case.yaml")
    return dump_case(grouped_by_hub(case)[0] if name == "national" else case)


def example_history(name: str, folder: Path) -> Path:
    """The example's generated demand history: the file beside its case, else written into `folder` from its seed."""
    beside = example_folder(name) / "history.csv"
    if beside.is_file():
        return beside
    from forecasts.generate import national_history

    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "history.parquet"
    national_history().to_parquet(path, index=False)
    return path


@dataclass(frozen=True)
class Beside:
    """A case file and what stands beside it in its folder; None where it does not."""

    case: Path
    history: Path | None = None
    scenarios: Path | None = None


def beside(place: Path, folder: Path, *, history: bool) -> Beside:
    """A case file by itself, or a folder's case.yaml with its history.csv and scenarios.yaml.

    history: whether the folder's history is wanted; that of a bundled example that ships none is written into
    `folder` from its seed. Raises FileNotFoundError for a folder without a case.
    """
    if not place.is_dir():
        return Beside(place)
    case, past, scenarios = (place / name for name in ("case.yaml", "history.csv", "scenarios.yaml"))
    if not case.is_file():
        raise FileNotFoundError(2, "the folder holds no case.yaml", str(place))
    name = place.resolve().name
    found = past if past.is_file() else None
    if found is None and history and name == "national" and place.resolve() == example_folder(name).resolve():
        found = example_history(name, folder)
    return Beside(case, found if history else None, scenarios if scenarios.is_file() else None)

"""The bundled examples: from the installed package, or from the repository when it is run in place."""

from __future__ import annotations

from pathlib import Path


def example_folder(name: str) -> Path:
    """The folder of a bundled example. Raises FileNotFoundError when this installation holds none."""
    import planner

    package = Path(next(iter(planner.__path__)))
    places = (package / "examples" / name, package.parent / "examples" / name)
    for place in places:
        if (place / "case.yaml").is_file():
            return place
    raise FileNotFoundError(2, "this installation holds no such example", str(places[0]))


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

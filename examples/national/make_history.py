"""Writes the generated demand history of the national example: python examples/national/make_history.py [FILE] [SEED]

FILE ends in .parquet or .csv.gz (default: out/national-history.parquet). The demand is generated from published tide
shapes and is labelled so in the case (meta.generated_demand).
"""

from __future__ import annotations

import sys
from pathlib import Path

from forecasts.generate import national_history


def main(arguments: list[str]) -> None:
    """Write the national example's history."""
    path = Path(arguments[0] if arguments else "out/national-history.parquet")
    history = national_history(int(arguments[1])) if len(arguments) > 1 else national_history()
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".parquet":
        history.to_parquet(path, index=False)
    else:
        history.to_csv(path, index=False, lineterminator="\n")


if __name__ == "__main__":
    main(sys.argv[1:])

"""Writes the generated demand history of the tiny example: python examples/tiny/make_history.py"""

from __future__ import annotations

from pathlib import Path

from forecasts.generate import tiny_history


def main() -> None:
    """Write the tiny example's history."""
    tiny_history().round({"value": 4}).to_csv(Path(__file__).parent / "history.csv", index=False, lineterminator="\n")


if __name__ == "__main__":
    main()

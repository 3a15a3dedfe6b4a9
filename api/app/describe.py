"""`python -m api.app.describe`: write the API's description to openapi.json, which is committed and tested."""

from __future__ import annotations

import json

from api.app.app import openapi
from api.store.version import ROOT


def main() -> None:
    """Write openapi.json."""
    text = json.dumps(openapi(), ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    (ROOT / "openapi.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

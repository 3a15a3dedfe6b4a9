"""What doctor says, about a healthy machine and about broken ones."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from api.app import doctor
from api.app.doctor import Finding, diagnose
from api.app.lock import exclusive
from api.store import migrations
from api.store.settings import Settings


def _found(settings: Settings) -> dict[str, Finding]:
    return {finding.name: finding for finding in diagnose(settings)}


def test_a_fresh_machine_is_in_order_and_stays_untouched(tmp_path: Path) -> None:
    found = _found(Settings(data_folder=tmp_path / "new", port=0))
    assert all(finding.ok for finding in found.values()), found
    assert "SCIP" in found["solver"].detail
    assert list((tmp_path / "new").iterdir()) == []


def test_what_is_wrong_is_said_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(doctor._LOOKS, "solver")  # it takes a second, and was looked at above
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        settings = Settings(data_folder=tmp_path, port=taken.getsockname()[1])
        migrations.upgrade(settings)
        assert _found(settings)["port"].remedy
        with exclusive(tmp_path, "tideplan"):
            found = _found(settings)
            assert "process" in found["server"].detail
            assert found["port"].ok
    open_to_all = _found(Settings(data_folder=tmp_path, host="0.0.0.0", port=0))["access"]
    assert (open_to_all.ok, "keys create" in open_to_all.remedy) == (False, True)
    file = tmp_path / "file"
    file.write_text("")
    assert not _found(Settings(data_folder=file, port=0))["data folder"].ok
    gone = Settings(data_folder=tmp_path, database_url="postgresql://nobody@127.0.0.1:1/none", port=0)
    assert not _found(gone)["database"].ok

"""Notes are said in both languages, from one catalogue that the code uses whole, and keep both on every way."""

from __future__ import annotations

import copy
import pickle
import re
from pathlib import Path
from string import Formatter

import numpy as np
import pandas as pd

from forecasts.calendar.events import Event
from forecasts.forecast import ForecastConfig, make_outlook
from forecasts.history import History
from forecasts.history.ceilings import Ceiling, name_ceilings
from forecasts.outlook import Outlook, SeriesKey
from forecasts.words.note import LANGUAGES, Note, catalogue, listed, note, packed, said, unpacked

ROOT = Path(__file__).parents[3]
KEY = re.compile(r'"([a-z0-9]+\.[a-z0-9_.]+)"')
MADE = re.compile(r'note\(\s*f"([a-z.]+)\.\{')
CHINESE = re.compile("[\u4e00-\u9fff]")


def fields(text: str) -> set[tuple[str | None, str | None]]:
    return {(name, form) for _, name, form, _ in Formatter().parse(text) if name and "|" not in str(form)}


def test_both_languages_say_the_same_things_with_the_same_numbers() -> None:
    english, chinese = map(catalogue, LANGUAGES)
    assert set(english) == set(chinese)
    # verb and verb_zh are the two languages' own.
    own = {"history.stuck", "history.outage"}
    assert {key for key in english if key not in own and fields(english[key]) != fields(chinese[key])} == set()
    assert [key for key, text in chinese.items() if not CHINESE.search(text) and key not in BARE] == []


BARE = {"history.said_of", "outlook.event_factor"}
"""Sentences that are nothing but their values and signs."""


def test_every_sentence_is_used_and_every_used_key_stands_in_the_catalogue() -> None:
    code = "\n".join(path.read_text("utf-8") for path in (ROOT / "forecasts").rglob("*.py"))
    families = set(MADE.findall(code)) | {"history.many"}
    quoted = set(re.findall(r'note\(\s*"([a-z0-9_.]+)"', code))
    assert quoted - set(catalogue("en")) == set()
    named = set(KEY.findall(code)) | {"and_more"}
    unused = {key for key in catalogue("en") if key not in named and key.rpartition(".")[0] not in families}
    assert unused == set()


def test_a_note_is_its_english_sentence_and_knows_the_chinese_one() -> None:
    one = note("mapping.left_out", names=listed(["a", "b", "c"], 2))
    assert one == "Series that no rule names were left out: a, b and 1 more."
    assert said(one, "zh") == one.chinese == "没有规则提到的序列已略去：a、b，另有 1 项。"
    assert said(one, "en") == str(one)
    assert said("as it is", "zh-CN") == "as it is"
    for same in (pickle.loads(pickle.dumps(one)), copy.deepcopy(one), *unpacked(packed([one]))):
        assert (same, same.chinese) == (one, one.chinese)
    assert unpacked(packed(["plain"])) == ("plain",)


def test_an_outlook_says_everything_in_both_languages(tmp_path: Path) -> None:
    """A shift, a wild hour, a ceiling, a hardly measured series, an event: no sentence is English alone."""
    rng = np.random.default_rng(3)
    hours = 40 * 168
    index = pd.date_range("2024-01-01", periods=hours, freq="h")
    day = 10 + 4 * np.sin(np.arange(hours) * np.pi / 12)
    values = np.stack([day * np.exp(rng.normal(0, 0.02, hours)) for _ in range(4)])
    values[0, -20 * 168 :] *= 3
    values[1, 3000] = 1e5
    values[2] = np.minimum(values[2], 12)
    values[3, : -8 * 168] = np.nan
    values[3, -4 * 168 :] *= 0.1
    keys = tuple(SeriesKey("all", name, "x") for name in "abcd")
    history = name_ceilings(History(keys, index, values, np.ones(4), "Asia/Shanghai"), [Ceiling("c", value=12)])
    event = Event(name="launch", start=index[-1].date(), factor=1.2)
    config = ForecastConfig(futures=2, evaluation=20, draws=100, events=(event,))
    outlook, _ = make_outlook(history, weeks=30, config=config)
    kinds = ("shifted", "single hour", "cut off", "Event launch", "years", "peak is")
    assert [kind for kind in kinds if not any(kind in text for text in outlook.notes)] == []
    outlook.save(tmp_path / "o.zip")
    for text in (*outlook.notes, *Outlook.load(tmp_path / "o.zip").notes):
        assert isinstance(text, Note)
        assert CHINESE.search(text.chinese)

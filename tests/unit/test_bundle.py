"""What stays in the notebook of an answer: Markdown for every reader, the text verbatim, the facts as data."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from claude_jupyter.answer.codec import CALL, MIME, read_output
from claude_jupyter.answer.model import Answer, Attachment
from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.display.bundle import bundle, facts_line, footer_line, snapshot
from claude_jupyter.display.inert import inert, inert_parts

THUMBNAIL = "data:image/png;base64,iVBORw0KGgo="

DONE = Answer(
    id="7f3a",
    turn=3,
    model="claude-sonnet-5-5",
    blocks=({"type": "text", "text": "The mean is **3.2**.\n\n```python\ndf.mean()\n```"},),
    usage=Usage(input=120, output=340, cache_read=4000),
    cost=Cost({"input": Decimal("0.0100"), "output": Decimal("0.0034")}, saved=Decimal("0.0076")),
    complete=True,
    stop_reason="end_turn",
    started=datetime(2026, 11, 22, 9, 30, tzinfo=UTC),
    seconds=4.25,
)
RICH = replace(
    DONE,
    id="9b1c",
    blocks=(
        {"type": "thinking", "text": "Let me look.\nTwo steps.", "seconds": 3.5},
        {"type": "text", "text": "I will look 🔍 at it."},
        {
            "type": "tool", "id": "t1", "name": "lookup", "kind": "python", "input": {"city": "Zürich"},
            "result": "12 °C <b>mild</b>", "error": False, "seconds": 0.2,
        },
        {"type": "text", "text": "\n\nIt is mild: <img src=x onerror=alert(1)> ![map](https://maps.example/m.png)"},
        {"type": "citation", "n": 1, "title": "Weather [today]", "url": "https://weather.example/z?a=1&b=(2)", "cited": "mild"},
        {"type": "citation", "n": 1, "title": "Weather [today]", "url": "https://weather.example/z?a=1&b=(2)", "cited": "12"},
        {"type": "citation", "n": 2, "title": "An attached file", "url": "", "cited": "x"},
        {"type": "notice", "level": "info", "text": "It replaced turn 2."},
    ),
    attachments=(
        Attachment("sales", "frame", (), "schema + 10 of 48,210 rows", 812),
        Attachment("fig", "image", (), "1,600 × 1,000", 1568, size=(1600, 1000), thumbnail=THUMBNAIL),
    ),
)  # fmt: skip
ANSWERS = {
    "done": DONE,
    "rich": RICH,
    "stopped": replace(
        DONE,
        id="51d0",
        blocks=(
            {"type": "text", "text": "Here is the code:\n\n```python\nfor x in"},
            {"type": "notice", "level": "warning", "text": "Stopped. claude.resume() goes on."},
        ),
        complete=False,
        estimated=True,
        stop_reason=None,
    ),
    "demo": replace(DONE, id="d3m0", provider="demo", billed=False),
    "replayed": replace(DONE, id="4ep1", replayed=True, billed=False),
    "unknown_price": replace(DONE, id="u0", model="claude-next", cost=None),
    "empty": replace(DONE, id="e0", blocks=(), complete=False, usage=Usage(), cost=Cost(), started=None),
}


@pytest.fixture(autouse=True)
def utc(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def markdown_of(answer: Answer) -> str:
    return bundle(answer)[0]["text/markdown"]


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("done", "claude-sonnet-5-5 · 2026-11-22 · $0.0134"),
        ("stopped", "claude-sonnet-5-5 · 2026-11-22 · ≥ $0.0134"),
        ("demo", "claude-sonnet-5-5 · 2026-11-22 · $0.0134 (demo, nothing billed)"),
        ("replayed", "claude-sonnet-5-5 · 2026-11-22 · replayed, $0"),
        ("unknown_price", "claude-next · 2026-11-22 · price unknown"),
    ],
)
def test_the_markdown_ends_with_model_day_and_price(name: str, line: str):
    assert facts_line(ANSWERS[name]) == line
    assert markdown_of(ANSWERS[name]).endswith(f"\n\n*{line}*")


def test_what_caching_saved_is_in_the_json_and_in_the_footer():
    data = bundle(DONE)[0][MIME]
    assert data["saved"] == "0.0076"
    assert "saved" not in bundle(replace(DONE, cost=Cost()))[0][MIME]
    assert (
        footer_line(DONE)
        == "claude-sonnet-5-5 · 4,120 in · 340 out · 97 % from cache, saved $0.0076 · $0.0134 · 4.2 s"
    )
    assert "saved" not in footer_line(replace(DONE, cost=Cost(saved=Decimal("-0.01"))))
    assert footer_line(ANSWERS["empty"]) == "claude-sonnet-5-5 · $0 · 4.2 s"


def test_the_day_is_the_machines_own(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    late = replace(DONE, started=datetime(2026, 11, 22, 21, 30, tzinfo=UTC))
    assert "2026-11-23" in facts_line(late)
    assert bundle(late)[0][MIME]["started"] == "2026-11-22T21:30:00+00:00"


def test_the_plain_text_is_the_answer_verbatim():
    assert bundle(RICH)[0]["text/plain"] == RICH.text


def test_the_json_has_the_contracts_keys_and_no_text_twice():
    told = bundle(RICH)[0][MIME]
    beyond = ["saved", "cost_details"]  # only where caching changed the price, and where it has several parts
    assert list(told) == [*bundle(replace(RICH, cost=Cost()))[0][MIME], *beyond]
    for name in beyond:
        del told[name]
    assert list(told) == [
        "version", "id", "chat", "turn", "model", "provider", "blocks", "attachments", "usage", "cost",
        "estimated", "complete", "stop_reason", "started", "seconds", "replayed",
    ]  # fmt: skip
    assert told["cost"] == "0.0134"
    assert "I will look" not in json.dumps(told)
    assert [b["type"] for b in told["blocks"]] == [b["type"] for b in RICH.blocks]


def test_a_stopped_answer_says_so_outside_its_unfinished_code():
    shown = markdown_of(ANSWERS["stopped"])
    assert "for x in\n```\n\n*Stopped." in shown
    assert "unfinished" in markdown_of(replace(ANSWERS["stopped"], blocks=ANSWERS["stopped"].blocks[:1]))


def test_a_snapshot_in_mid_fence_stands_by_itself():
    part = replace(DONE, complete=False, blocks=({"type": "text", "text": "See:\n\n```"},))
    assert snapshot(part)[0]["text/markdown"].startswith(
        "**Claude**\n\nSee:\n\n```\n```\n\n*This answer is unfinished.*"
    )


def test_sources_are_listed_once_with_their_host_and_cannot_act():
    shown = markdown_of(RICH)
    link = "- [&#91;1&#93; Weather &#91;today&#93; — weather.example](https://weather.example/z?a=1&amp;b=%282%29)"
    assert link in shown and shown.count("weather.example)") == 0 and shown.count("- [") == 1
    assert "- &#91;2&#93; An attached file" in shown
    evil = replace(DONE, blocks=({"type": "citation", "n": 1, "title": "<script>", "url": "javascript:f()"},))
    assert "- &#91;1&#93; &#60;script&#62;\n" in markdown_of(evil)


def test_notices_cannot_act_either():
    noted = replace(DONE, blocks=({"type": "notice", "level": "info", "text": "chat `<img>` ![x](y) *z*"},))
    assert markdown_of(noted).startswith(
        "**Claude**\n\n*chat &#96;&#60;img&#62;&#96; &#33;&#91;x&#93;(y) &#42;z&#42;*\n"
    )


def test_long_tool_results_are_cut_and_say_so():
    call = {"type": "tool", "id": "t", "name": "f", "input": {"x": "y" * 30_000}, "result": "z" * 50_000}
    (told,) = bundle(replace(DONE, blocks=(call,)))[0][MIME]["blocks"]
    assert told["result"] == "z" * CALL + " … (cut: 50,000 characters in all)"
    assert len(told["input"]) < CALL + 100 and "cut" in told["input"]


def test_what_looking_cost_is_told_below_the_answer_and_kept():
    looks = [
        {"type": "tool", "name": "query", "input": {}, "result": "1", "tokens": 87, "price": "$0.0003"},
        {"type": "tool", "name": "show", "input": {}, "result": "2", "tokens": 1310, "price": ""},
        *({"type": "tool", "name": "help", "input": {}, "result": "3", "tokens": 10, "price": "$0.0001"} for _ in range(6)),
    ]  # fmt: skip
    data = bundle(replace(DONE, blocks=(*looks[:2], {"type": "text", "text": "Two."})))[0]
    assert (
        data["text/markdown"].split("\n\n")[-2] == "*lookups: query 87 tokens, $0.0003 · show 1,310 tokens*"
    )
    tool = data[MIME]["blocks"][0]
    assert (tool["tokens"], tool["price"]) == (87, "$0.0003")
    assert "· 2 more, 20 tokens*" in bundle(replace(DONE, blocks=tuple(looks)))[0]["text/markdown"]


def test_images_and_nan_in_tool_results_stay_out_of_the_file():
    result = [
        {"type": "image", "source": {"type": "base64", "data": "AAAA" * 9}},
        {"mean": float("nan"), "b": b"xyz"},
    ]
    told = bundle(replace(DONE, blocks=({"type": "tool", "name": "f", "input": {}, "result": result},)))[0]
    text = json.dumps(told, allow_nan=False)
    assert "AAAA" not in text and "3 bytes" in text


def test_thumbnails_keep_within_12_kilobytes():
    pictures = [Attachment(f"f{n}", "image", (), "", 1, thumbnail="data:image/png;base64," + "A" * size)
                for n, size in enumerate([3000, 3000, 4000, 3000, 3000, 100])]  # fmt: skip
    told = bundle(replace(DONE, attachments=tuple(pictures)))[0][MIME]["attachments"]
    assert ["thumbnail" in a for a in told] == [True, True, False, True, True, True]
    assert sum(len(a.get("thumbnail", "")) for a in told) <= 12 * 1024


def test_half_a_character_of_a_broken_stream_can_be_saved():
    data, _ = bundle(replace(DONE, blocks=({"type": "text", "text": "a\ud83d"},)))
    json.dumps(data, ensure_ascii=False).encode()


TEXTS = st.text(alphabet="ab <>![]()`~$\\\"':#&;|-*_\n😀é=/1.@script", max_size=60)
OTHER = st.one_of(
    st.builds(lambda t: {"type": "thinking", "text": t, "seconds": 1}, TEXTS),
    st.builds(lambda t: {"type": "notice", "level": "info", "text": t}, TEXTS),
    st.builds(
        lambda t, u: {"type": "citation", "n": 1, "title": t, "url": "https://a.example/" + u}, TEXTS, TEXTS
    ),
    st.builds(
        lambda t, r: {"type": "tool", "id": "t", "name": t, "input": {t: r}, "result": r},
        TEXTS,
        st.recursive(st.none() | st.floats() | TEXTS, lambda c: st.lists(c, max_size=3), max_leaves=5),
    ),
)
BLOCKS = st.lists(st.builds(lambda t: {"type": "text", "text": t}, TEXTS) | OTHER, max_size=6)


@given(BLOCKS, st.booleans())
def test_ranges_give_each_blocks_text_made_inert_whatever_it_holds(
    blocks: list[dict[str, Any]], complete: bool
):
    answer = replace(DONE, blocks=tuple(blocks), complete=complete)
    data, _ = bundle(answer)
    json.dumps(data, allow_nan=False, ensure_ascii=False).encode()
    markdown, told = data["text/markdown"], data[MIME]
    shown = [markdown[b["start"] : b["end"]] for b in told["blocks"] if b["type"] == "text"]
    texts = [b["text"] for b in blocks if b["type"] == "text"]
    assert shown == inert_parts([t.strip("\n") if n else t for n, t in enumerate(texts)])
    assert len(texts) != 1 or shown == [inert(texts[0])]
    assert data["text/plain"] == answer.text
    assert re.search(r"\n```|^```|~~~", markdown) or "<script" not in markdown
    again = read_output(data)
    assert again is not None and again.text == answer.text

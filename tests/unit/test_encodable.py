"""Text that UTF-8 cannot hold is sent, shown and kept with U+FFFD; halves of a letter that both came are one letter."""

from __future__ import annotations

import json
import os
from collections import Counter, deque
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from support.world import stage

from claude_jupyter.client.sdk_errors import translate
from claude_jupyter.client.stream import Accumulator
from claude_jupyter.content.prompt.interpolate import fill
from claude_jupyter.content.secrets.redact import SecretRemover
from claude_jupyter.conversation.conversation import Conversation
from claude_jupyter.demo.script import Call, Script
from claude_jupyter.encodable import encodable, encodable_all, encodable_repr
from claude_jupyter.files import append_line, json_lines, write_whole

BAD = "caf\udce9.csv"
GOOD = "caf\ufffd.csv"
HALVES = "\ud83d\ude00"


@pytest.mark.parametrize(
    ("text", "right"),
    [
        ("plain", "plain"),
        ("Ä 😀", "Ä 😀"),
        (BAD, GOOD),
        (HALVES, "😀"),
        ("\ud83d", "\ufffd"),
        ("\ude00\ud83d", "\ufffd\ufffd"),
        ("a\ud83db", "a\ufffdb"),
        ("\udce4\udcf6", "\ufffd\ufffd"),
        (f"😀{BAD}{HALVES}", f"😀{GOOD}😀"),
    ],
    ids=lambda value: ascii(value),
)
def test_text_becomes_what_utf_8_can_hold(text: str, right: str) -> None:
    assert encodable(text) == right
    assert encodable_all({text: [text, (text, 1), None]}) == {right: [right, (right, 1), None]}


def last_body(s: Any) -> str:
    return json.dumps(s.server.requests[-1].body, ensure_ascii=False)


def is_in(sent: str) -> bool:
    """Whether the name was sent with U+FFFD, and with no half of a letter, also not as an escape."""
    return "caf\ufffd" in sent and "udce9" not in sent


def asked_about(value: Any) -> str:
    """What is sent of a value; the chat answers the question after it."""
    with stage(["One.", "Two."]) as s:
        assert s.claude.ask("What is it?", value).text == "One."
        sent = last_body(s)
        assert s.claude.ask("And now?").text == "Two."
        return sent


@dataclass
class Named:
    name: str


class Shown:
    def __repr__(self) -> str:
        return f"Shown({BAD!r})"


def with_attrs() -> pd.DataFrame:
    frame = pd.DataFrame({"a": [1, 2]})
    frame.attrs["from"] = BAD
    return frame


TEXTS = pd.Index([BAD, "b"], dtype=object)
VALUES: dict[str, Any] = {
    "text": BAD,
    "list": [BAD, "b"],
    "key": {BAD: 1},
    "value": {"a": BAD},
    "tuple": (BAD,),
    "set": {BAD},
    "nested": {"a": {"b": [BAD]}},
    "deque": deque([BAD]),
    "counter": Counter([BAD]),
    "dataclass": Named(BAD),
    "namespace": SimpleNamespace(name=BAD),
    "own repr": Shown(),
    "exception": ValueError(BAD),
    "part of a path": Path(f"/nowhere/{BAD}").name,
    "array of objects": np.array([BAD, "b"], dtype=object),
    "array of text": np.array([BAD, "b"]),
    "series": pd.Series([BAD, "b"], name="s", dtype=object),
    "name of a series": pd.Series([1, 2], name=BAD),
    "index of a series": pd.Series([1, 2], index=TEXTS),
    "frame": pd.DataFrame({"a": [BAD, "b"]}, dtype=object),
    "column": pd.DataFrame([[1], [2]], columns=TEXTS[:1]),
    "levels of columns": pd.DataFrame([[1, 2]], columns=pd.MultiIndex([TEXTS, ["x", "y"]], [[0, 1], [0, 1]])),
    "index": pd.DataFrame({"a": [1, 2]}, index=TEXTS),
    "name of an index": pd.DataFrame({"a": [1, 2]}, index=pd.Index([1, 2], name=BAD)),
    "categories": pd.Series(pd.Categorical.from_codes([0, 1], categories=TEXTS)),
    "attrs": with_attrs(),
    "only an index": TEXTS,
}


@pytest.mark.parametrize("value", VALUES.values(), ids=VALUES)
def test_a_value_is_sent(value: Any) -> None:
    assert is_in(asked_about(value))


@pytest.mark.parametrize("kind", ["list", "key", "nested", "tuple"])
def test_a_value_in_braces_is_sent(kind: str) -> None:
    assert is_in(fill("What is {x}?", {"x": VALUES[kind]}).text)


def test_text_that_only_looks_like_an_escape_stays() -> None:
    literal = "\\udce9"
    assert "'\\\\udce9'" in json.loads(asked_about([literal]))["messages"][-1]["content"][0]["text"]
    assert encodable_repr(repr([literal, "\\" + BAD])) == repr([literal, "\\" + GOOD])
    assert encodable_repr(repr(HALVES)) == repr("😀")


def test_a_prompt_and_a_system_prompt_are_sent() -> None:
    with stage(["One.", "Two."]) as s:
        s.claude.system = f"Read {BAD}."
        assert s.claude.ask(f"Is it {BAD}?").text == "One."
        assert s.claude.ask("And now?").text == "Two."
        assert last_body(s).count(GOOD) == 2


def test_a_file_of_such_a_name_is_attached(tmp_path: Path) -> None:
    file = tmp_path / os.fsdecode(b"caf\xe9.csv")
    file.write_text("a,b\n1,2\n")
    with stage(["One.", "Two."]) as s:
        assert s.claude.ask("What is it?", file).text == "One."
        assert s.claude.ask("And now?", file=str(file)).text == "Two."
        assert GOOD in last_body(s)


@pytest.mark.parametrize("fails", [False, True])
def test_a_tool_gives_the_names_of_a_folder(tmp_path: Path, fails: bool) -> None:
    (tmp_path / os.fsdecode(b"caf\xe9.csv")).touch()

    def names() -> Any:
        """The files."""
        if fails:
            raise OSError(os.listdir(tmp_path)[0])  # noqa: PTH208
        return os.listdir(tmp_path)  # noqa: PTH208

    with stage([Script(calls=[Call("names", {})]), "One.", "Two."]) as s:
        assert s.claude.ask("Which files?", tool=[names]).text.endswith("One.")
        assert is_in(last_body(s))
        assert s.claude.ask("And now?").text == "Two."
        assert is_in(last_body(s))


def test_rows_of_a_map_are_asked() -> None:
    with stage(["One.", "Two.", "Three."]) as s:
        assert s.claude.map(["a", BAD, "b"], "What is {value}?", limit=1) == ["One.", "Two.", "Three."]
        assert any(GOOD in json.dumps(r.body, ensure_ascii=False) for r in s.server.requests)


def test_a_conversation_is_saved_and_loaded(tmp_path: Path) -> None:
    with stage(["One."]) as s:
        s.claude.ask(f"Is it {BAD}?")
        path = s.claude.save(tmp_path / "chat.json")
        s.claude.export(tmp_path / "chat.md")
        loaded = Conversation.load(path, env=s.env)
        assert loaded.messages == s.claude.messages
        assert GOOD in path.read_text(encoding="utf-8")


def test_files_of_ours_are_utf_8(tmp_path: Path) -> None:
    write_whole(tmp_path / "whole", BAD + HALVES)
    append_line(tmp_path / "lines", {BAD: HALVES})
    assert (tmp_path / "whole").read_text(encoding="utf-8") == GOOD + "😀"
    assert list(json_lines(tmp_path / "lines")) == [{GOOD: "😀"}]


# -- what arrives -------------------------------------------------------------------------------------------------------


def gathered(kind: str, field: str, pieces: list[str]) -> tuple[dict[str, Any], str]:
    """The block that deltas add up to, and the text that a view was told meanwhile."""
    from anthropic.types import (
        InputJSONDelta,
        RawContentBlockDeltaEvent,
        RawContentBlockStartEvent,
        RawContentBlockStopEvent,
        TextBlock,
        TextDelta,
        ThinkingBlock,
        ThinkingDelta,
        ToolUseBlock,
    )

    blocks = {
        "text": TextBlock.construct(type="text", text="", citations=None),
        "thinking": ThinkingBlock.construct(type="thinking", thinking="", signature=""),
        "tool_use": ToolUseBlock.construct(type="tool_use", id="t", name="n", input={}),
    }
    deltas = {"text": TextDelta, "thinking": ThinkingDelta, "tool_use": InputJSONDelta}
    types = {"text": "text_delta", "thinking": "thinking_delta", "tool_use": "input_json_delta"}
    made = Accumulator()
    made.feed(
        RawContentBlockStartEvent.construct(type="content_block_start", index=0, content_block=blocks[kind])
    )
    grown = ""
    for piece in pieces:
        delta = deltas[kind].construct(type=types[kind], **{field: piece})
        made.feed(RawContentBlockDeltaEvent.construct(type="content_block_delta", index=0, delta=delta))
        grown += "".join(getattr(change, "text", "") for change in made.drain())
    made.feed(RawContentBlockStopEvent.construct(type="content_block_stop", index=0))
    grown += "".join(getattr(change, "text", "") for change in made.drain())
    return made.content()[0], grown


@pytest.mark.parametrize("kind", ["text", "thinking"])
@pytest.mark.parametrize(
    ("pieces", "right"),
    [
        (["a\ud83d", "\ude00b"], "a😀b"),
        (["\ud83d", "\ude00"], "😀"),
        (["a\ud83d", "b"], "a\ufffdb"),
        (["a\ud83d"], "a\ufffd"),
        (["\ude00a"], "\ufffda"),
        (["\ud83d", "\ud83d", "\ude00"], "\ufffd😀"),
    ],
    ids=lambda value: ascii(value),
)
def test_halves_in_two_deltas_are_one_letter(kind: str, pieces: list[str], right: str) -> None:
    block, grown = gathered(kind, kind, pieces)
    assert block[kind] == grown == right


@pytest.mark.parametrize(
    "pieces",
    [['{"a": "\\ud83d', '\\ude00"}'], ['{"a": "\ud83d', '\ude00"}'], ['{"a": "😀"}']],
    ids=lambda value: ascii(value),
)
def test_halves_in_the_arguments_of_a_tool_are_one_letter(pieces: list[str]) -> None:
    block, _ = gathered("tool_use", "partial_json", pieces)
    assert block["input"] == {"a": "😀"}


def test_a_lone_half_in_the_arguments_of_a_tool() -> None:
    block, _ = gathered("tool_use", "partial_json", ['{"a": "\\ud83d!"}'])
    assert block["input"] == {"a": "\ufffd!"}


# -- keys and secrets ---------------------------------------------------------------------------------------------------


def test_a_secret_with_a_byte_that_is_not_utf_8_is_redacted() -> None:
    secret = os.fsdecode(b"hunter2-\xe9-Zx81kQpw77")
    redact = SecretRemover.from_environment({"DB_PASSWORD": secret})
    for form in (secret, encodable(secret), "hunter2-%E9-Zx81kQpw77"):
        assert redact(f"It is {form}.") == ("It is [redacted DB_PASSWORD].", ("DB_PASSWORD",))


def test_an_environment_with_such_a_secret_stops_no_question(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(os.environb, b"DB_PASSWORD", b"hunter2-\xe9-Zx81kQpw77")
    assert asked_about("nothing")


def test_only_what_is_about_a_key_speaks_of_the_key() -> None:
    header = UnicodeEncodeError("ascii", "kéy", 1, 2, "ordinal not in range(128)")
    body = UnicodeEncodeError("utf-8", BAD, 3, 4, "surrogates not allowed")
    assert "key" in translate(header, model="sonnet").message
    assert "key" not in translate(body, model="sonnet").message.lower()

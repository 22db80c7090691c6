"""What a user of `claude.map` gets: the like of what was given, each row paid for once, errors per row, and nothing lost by a stop."""

from __future__ import annotations

import itertools
import os
import signal
import stat
import threading
import time
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Literal, TypedDict

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pydantic import BaseModel
from support.world import stage

from claude_jupyter.answer.model import cell_hash
from claude_jupyter.conversation.map.rows import fill_row
from claude_jupyter.conversation.store.journal import Journal
from claude_jupyter.costs.ledger.calls import Where
from claude_jupyter.demo.script import Call, Script, Wait
from claude_jupyter.errors import AuthenticationError, StoppedError, UsageError


class Review(BaseModel):
    label: Literal["good", "bad"]
    score: int


@dataclass
class Point:
    x: int
    y: int


class Named(TypedDict):
    name: str


def text(body):
    return body["messages"][-1]["content"][-1]["text"]


def journalled(s, folder: Path, mode="on"):
    s.env.journal = Journal(folder, "kernel-1", "a.ipynb", lambda: mode, print)
    return s


def echo(body):
    return f"<{text(body)}>"


def test_columns_in_the_prompt_and_an_answer_column():
    df = pd.DataFrame({"city": ["Rome", "Oslo"], "net price": [1.5, 2.25]}, index=[7, 7])
    with stage(echo) as s:
        out = s.claude.map(df, "Is {city} at {net price:.2f} {dear}?")
        assert list(out["answer"]) == ["<Is Rome at 1.50 {dear}?>", "<Is Oslo at 2.25 {dear}?>"]
        assert list(out.index) == [7, 7] and list(df.columns) == ["city", "net price"]
        assert not s.claude.turns and s.claude.cost == sum(
            Decimal(r["cost_usd"]) for r in s.ledger.rows(Where())
        )
        assert s.claude.usage == s.server.usage


def test_a_prompt_that_names_nothing_gets_the_whole_row_fenced_below_it():
    with stage(echo) as s:
        s.claude.map(pd.DataFrame({"a": [1], "b": ["x</attachment>y"]}), "Sum up")
        instruction, row = s.bodies[0]["messages"][0]["content"]
        assert instruction["text"] == "Sum up" and "cache_control" in instruction
        assert row["text"].count("</attachment>") == 1 and "a: 1\nb: x" in row["text"]
        assert "cache_control" not in row


@pytest.mark.parametrize(
    ("values", "given"),
    [
        (["a", "b"], ["<a?>", "<b?>"]),
        (("a", "b"), ["<a?>", "<b?>"]),
        ({1: "a", 2: "b"}, {1: "<a?>", 2: "<b?>"}),
        ([{"value": "a"}, {"value": "b"}], ["<a?>", "<b?>"]),
    ],
)
def test_lists_and_dicts_come_back_as_their_like(values, given):
    with stage(echo) as s:
        assert s.claude.map(values, "{value}?") == given


def test_series_keep_their_library_index_and_order():
    with stage(echo) as s:
        out = s.claude.map(pd.Series(["a", "b"], index=["x", "y"], name="word"), "{word}?")
        assert out.to_dict() == {"x": "<a?>", "y": "<b?>"}
        out = s.claude.map(pl.Series("word", ["a", None]), "{word}?")
        assert isinstance(out, pl.Series) and out.to_list() == ["<a?>", "<(missing)?>"]


def test_polars_and_arrow_frames_come_back_as_such():
    with stage(echo) as s:
        out = s.claude.map(pl.DataFrame({"a": ["x", "y"]}), "{a}?")
        assert out["answer"].to_list() == ["<x?>", "<y?>"]
        out = s.claude.map(pa.table({"a": ["x", "y"]}), "{a}?")
        assert out.column("answer").to_pylist() == ["<x?>", "<y?>"]
        with pytest.raises(UsageError, match="collect"):
            s.claude.map(pl.LazyFrame({"a": [1]}), "{a}?")


def test_the_fields_of_a_structured_result_become_columns():
    with stage(Script(text='{"label": "good", "score": 3}')) as s:
        out = s.claude.map(pd.DataFrame({"a": ["x", "y"]}), "Judge", Review)
        assert list(out["label"]) == ["good", "good"] and out["score"].dtype == "int64"
        out = s.claude.map(pl.DataFrame({"a": ["x"]}), "Judge", Review)
        assert out.columns == ["a", "label", "score"]
        assert s.claude.map(["x"], "Judge", Review) == [Review(label="good", score=3)]
        with pytest.raises(UsageError, match="has a column 'label'"):
            s.claude.map(pd.DataFrame({"label": ["x"]}), "Judge", Review)


@pytest.mark.parametrize(
    ("kind", "said", "columns"),
    [
        (Point, '{"x": 1, "y": 2}', {"x": [1], "y": [2]}),
        (Named, '{"name": "n"}', {"name": ["n"]}),
        (Literal["yes", "no"], '{"value": "no"}', {"answer": ["no"]}),
        (list[int], '{"value": [1, 2]}', {"answer": [[1, 2]]}),
    ],
)
def test_any_type_that_ask_takes(kind, said, columns):
    with stage(Script(text=said)) as s:
        out = s.claude.map(pd.DataFrame({"a": ["x"]}), "Judge", kind)
        assert {c: list(out[c]) for c in columns} == columns


def test_a_second_run_pays_only_for_what_is_missing(tmp_path):
    with stage(echo) as s:
        journalled(s, tmp_path)
        s.claude.map(["a", "b", "a"], "{value}?")
        assert len(s.bodies) == 2  # equal rows are asked once
    with stage(echo) as s:
        journalled(s, tmp_path)
        assert s.claude.map(["c", "b", "a"], "{value}?") == ["<c?>", "<b?>", "<a?>"]
        assert [text(b) for b in s.bodies] == ["c?"]
        s.claude.map(["a"], "{value}?", model="haiku")
        s.claude.map(["a"], "{value}?", no_replay=True)
        assert len(s.bodies) == 3
    files = list((tmp_path / "map").iterdir())
    assert files and all(stat.S_IMODE(f.stat().st_mode) == 0o600 for f in files)
    assert "a?" not in "".join(f.read_text().replace("<a?>", "") for f in files)


def test_with_the_journal_off_nothing_is_written_and_this_kernel_still_remembers(tmp_path):
    with stage(echo) as s:
        journalled(s, tmp_path, "off")
        for _ in range(2):
            assert s.claude.map(["a"], "{value}?") == ["<a?>"]
        assert len(s.bodies) == 1 and not list(tmp_path.iterdir())


def test_a_cut_or_edited_file_of_results_costs_only_its_lines(tmp_path):
    with stage(echo) as s:
        journalled(s, tmp_path)
        s.claude.map(["a", "b"], "{value}?")
        (path,) = (tmp_path / "map").iterdir()
        lines = [line for line in path.read_text().splitlines() if line]
        path.write_text(lines[0] + "\n[]\nnull\n" + lines[1][:20])
        assert s.claude.map(["a", "b"], "{value}?") == ["<a?>", "<b?>"]
        assert len(s.bodies) == 3
        path.write_bytes(lines[0].encode() + b"\n" + "ü".encode()[:1])  # cut within a letter
        assert s.claude.map(["a", "b"], "{value}?") == ["<a?>", "<b?>"]


def test_forget_deletes_what_was_kept(tmp_path):
    with stage(echo) as s:
        journalled(s, tmp_path)
        s.claude.map(["a"], "{value}?")
        s.claude.forget()
        assert not list((tmp_path / "map").iterdir())


def test_errors_are_per_row(capsys):
    def reply(body):
        if "bad" in text(body):
            return Script(status=400, error="prompt is odd")
        if "cut" in text(body):
            return Script(text="half", stop_reason="max_tokens")
        return Script(stop_reason="refusal") if "no" in text(body) else "fine"

    with stage(reply) as s:
        out = s.claude.map(pd.DataFrame({"a": ["ok", "bad", "cut", "no"]}), "{a}")
        assert out["answer"].fillna("none").tolist() == ["fine", "none", "half", "none"]
        assert out["error"].notna().tolist() == [False, True, True, True]
        assert "prompt is odd" in out["error"][1] and "max_tokens" in out["error"][2]
        assert "3 with an error, the first: " in capsys.readouterr().out
        assert s.claude.map(["ok", "bad"], "{value}") == ["fine", None]


def test_a_row_that_cannot_be_shown_is_an_error_of_its_own(tmp_path):
    (tmp_path / "there.txt").write_text("words")
    files = [tmp_path / "there.txt", tmp_path / "gone.txt"]
    with stage("read") as s:
        out = s.claude.map(pd.DataFrame({"file": files}), "Read {file}")
        assert out["answer"][0] == "read" and "gone.txt" in out["error"][1]
        assert "words" in str(s.bodies[0]) and str(tmp_path) not in str(s.bodies[0])


def test_what_is_wrong_with_every_row_ends_it_at_once():
    with stage(Script(status=401)) as s:
        with pytest.raises(AuthenticationError, match="key"):
            s.claude.map([str(n) for n in range(200)], "{value}?")
        assert len(s.bodies) < 60
    with stage(Script(status=400, error="no such thing")) as s:
        s.settings.confirm_above = 1e9
        with pytest.raises(Exception, match="no such thing"):
            s.claude.map([str(n) for n in range(500)], "{value}?")
        assert len(s.bodies) < 120


def test_a_busy_service_slows_it_down_and_loses_nothing():
    inside, most, lock = 0, 0, threading.Lock()

    def reply(body):
        nonlocal inside, most
        with lock:
            if inside >= 5:
                return Script(status=529, headers={"retry-after-ms": "20"})
            inside += 1
            most = max(most, inside)

        def leave():
            nonlocal inside
            with lock:
                inside -= 1

        threading.Timer(0.02, leave).start()
        return Script(text=["a", Wait(0.02)])

    with stage(reply) as s:
        out = s.claude.map([str(n) for n in range(60)], "{value}?")
        assert out == ["a"] * 60 and most <= 5


def test_limit_is_never_exceeded():
    running, most, lock = 0, 0, threading.Lock()

    def reply(body):
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        time.sleep(0.02)
        with lock:
            running -= 1
        return "a"

    with stage(reply) as s:
        s.claude.map([str(n) for n in range(40)], "{value}?", limit=3)
        assert most <= 3
        with pytest.raises(UsageError, match="limit"):
            s.claude.map(["a"], "{value}?", limit=0)


def test_a_stop_keeps_what_is_done(tmp_path):
    asked = itertools.count()

    def reply(body):
        number = next(asked)
        if number == 20:
            os.kill(os.getpid(), signal.SIGINT)
        return Script(text=["a", Wait(0.05 if number < 20 else 5)])

    with stage(reply) as s:
        journalled(s, tmp_path)
        with pytest.raises(StoppedError, match=r"[12]\d of 60 rows are answered .* run it again") as caught:
            s.claude.map([str(n) for n in range(60)], "{value}?", limit=10)
        assert "$" in caught.value.message and s.claude.cost > 0
        rows = list(s.ledger.rows(Where()))
        done = sum(r["complete"] for r in rows)
        assert done >= 10 and {r["stop_reason"] for r in rows} == {"end_turn", "stopped"}
    with stage("b") as s:
        journalled(s, tmp_path)
        out = s.claude.map([str(n) for n in range(60)], "{value}?")
        assert out.count("a") == done and out.count("b") == len(s.bodies) == 60 - done


def test_rows_none_refuses():
    with stage() as s:
        s.settings.rows = "none"
        with pytest.raises(UsageError, match="rows"):
            s.claude.map(["a"], "{value}?")


def test_tools_and_system_go_with_every_row():
    def look(n: int) -> int:
        """Look it up."""
        return n + 1

    replies = [Script(calls=[Call("look", {"n": 1})]), "Two."]
    with stage(replies) as s:
        s.claude.system = "Be brief."
        assert s.claude.map(["a"], "{value}?", tool=look) == ["Two."]
        assert s.bodies[0]["system"][0]["text"] == "Be brief." and len(s.bodies) == 2


def test_secrets_do_not_leave():
    with stage(echo) as s:
        s.env.redact = lambda t: (t.replace("hunter2", "[redacted PW]"), ())
        s.claude.map(pd.DataFrame({"a": ["hunter2"]}), "hunter2 {a}")
        s.claude.map(["hunter2"], "hunter2")
        assert "hunter2" not in str(s.bodies)


def test_secrets_in_what_a_tool_gives_do_not_leave():
    def look() -> str:
        """Look it up."""
        return "the password is hunter2"

    with stage([Script(calls=[Call("look", {})]), "Fine."]) as s:
        s.env.redact = lambda t: (t.replace("hunter2", "[redacted PW]"), ())
        assert s.claude.map(["a"], "{value}?", tool=look) == ["Fine."]
        assert "[redacted PW]" in str(s.bodies[1]) and "hunter2" not in str(s.bodies)


def test_a_tool_given_twice_is_one():
    def look() -> str:
        """Look it up."""
        return "a cat"

    with stage(["Fine."]) as s:
        s.claude.tool(look)
        assert s.claude.map(["a"], "{value}?", tool=look) == ["Fine."]
        with pytest.raises(UsageError, match="web_search"):
            s.claude.map(
                ["a"], "{value}?", web=True, tool={"name": "web_search", "input_schema": {"type": "object"}}
            )


def test_a_fault_of_one_row_stops_the_others_and_keeps_what_came(tmp_path, monkeypatch):
    from claude_jupyter.conversation.ask.run import Exchange

    parts = Exchange.parts

    slow, ready = threading.Event(), threading.Event()

    def reply(body):
        if text(body) != "slow?":
            return "a"
        slow.set()
        return Script(text=["a", Wait(60)])

    def odd(self):
        if "bad" in str(self.question.content):
            assert slow.wait(60) and ready.wait(60)
            raise RuntimeError("a bug")
        yield from parts(self)
        if "two" in str(self.question.content):
            ready.set()

    monkeypatch.setattr(Exchange, "parts", odd)
    with stage(reply) as s:
        journalled(s, tmp_path)
        with pytest.raises(RuntimeError, match="a bug"):
            s.claude.map(["two", "slow", "bad"], "{value}?")
        rows = list(s.ledger.rows(Where()))
        assert all(r["stop_reason"] for r in rows), "a request is still under way"
        again = len(s.bodies)
        assert s.claude.map(["two"], "{value}?") == ["a"] and len(s.bodies) == again


def test_the_ledger_gets_the_cell_although_rows_are_asked_on_other_threads():
    with stage("a") as s:
        s.run("cell-1", "e1")
        s.claude.map(["a", "b"], "{value}?")
        s.run("cell-2", "e2")
        s.claude.map(["c"], "{value}?", batch=True).collect()
        cells = [r["cell"] for r in s.ledger.rows(Where())]
        assert cells == [cell_hash("cell-1")] * 2 + [cell_hash("cell-2")]


@pytest.mark.parametrize("options", [{"background": True}, {"chat": "x"}, {"new": True}, {"out": "x"}])
def test_options_that_mean_nothing_here_are_refused(options):
    with stage() as s, pytest.raises(UsageError, match="map does not accept"):
        s.claude.map(["a"], "{value}?", **options)


@pytest.mark.parametrize("values", ["text", 3, None, lambda: 1])
def test_what_has_no_rows_is_refused(values):
    with stage() as s, pytest.raises(UsageError, match="series, list, dict or frame"):
        s.claude.map(values, "{value}?")


def test_an_empty_list_costs_nothing():
    with stage() as s:
        assert s.claude.map([], "{value}?") == [] and not s.bodies


@pytest.mark.parametrize(
    ("prompt", "row", "text"),
    [
        ("{a} {b}", {"a": "{b}", "b": 1}, "{b} 1"),
        ("{{a}} {a}", {"a": 1}, "{a} 1"),
        ('{"json": {a}}', {"a": 1}, '{"json": 1}'),
        ("{a:>5}|", {"a": 1}, "    1|"),
        ("{x: y} {a}", {"x: y": 1, "a": 2}, "1 2"),
        ("{a}", {"a": float("nan")}, "(missing)"),
        ("{a}", {"a": pd.NA}, "(missing)"),
    ],
)
def test_braces(prompt, row, text):
    assert fill_row(prompt, row).text == text


def test_a_wrong_format_is_said_before_anything_is_sent():
    with stage() as s, pytest.raises(UsageError, match="cannot be formatted"):
        s.claude.map(["a"], "{value:.2f}")


def test_a_tool_that_asks_first_is_refused_before_anything_is_sent():
    def delete(name: str) -> str:
        """Delete."""
        return name

    with stage("Fine.") as s:
        s.claude.tool(delete, confirm=True)
        with pytest.raises(UsageError, match="which delete needs"):
            s.claude.map(["a"], "{value}")
        assert not s.server.requests


def test_a_slip_in_a_columns_name_is_refused_before_anything_is_sent(capsys):
    with stage("Fine.") as s:
        for values in (pd.DataFrame({"review": ["a"]}), [{"review": "a"}]):
            with pytest.raises(UsageError, match="no 'reviw'; did you mean review"):
                s.claude.map(values, "{reviw}")
        assert not s.server.requests
        assert s.claude.map([{"review": "a"}], "{{reviw}} {x} {review}") == ["Fine."]
        assert s.claude.map([], "{value}") == []
        assert "1 row: 1 asked" in (told := capsys.readouterr().out) and "0 rows: nothing to ask" in told


TWICE = pd.DataFrame([["a", "b"], ["c", "d"]], columns=["v", "v"])


@pytest.mark.parametrize(
    "frame",
    [
        TWICE,
        pa.Table.from_arrays([pa.array(["a", "c"]), pa.array(["b", "d"])], names=["v", "v"]),
        pa.RecordBatch.from_arrays([pa.array(["a", "c"]), pa.array(["b", "d"])], names=["v", "v"]),
        TWICE.set_axis(pd.Index([3, 3])),
    ],
    ids=["pandas", "arrow", "batch", "pandas with equal labels"],
)
def test_columns_of_one_name_are_never_one(frame):
    with stage(echo) as s:
        with pytest.raises(UsageError, match="2 columns are named 'v'"):
            s.claude.map(frame, "{v}?")
        with pytest.raises(UsageError, match="2 columns are named 'v'"):
            s.claude.map(frame, "{v:>5}?")
        assert not s.bodies
        out = s.claude.map(frame, "Sum up")
        sent = " ".join(map(text, s.bodies))
        assert "v: a\nv: b" in sent and "v: c\nv: d" in sent
        names = out.column_names if hasattr(out, "column_names") else list(out.columns)
        assert names == ["v", "v", "answer"]
        assert s.claude.map(frame, "{{v}} is {x}")[:1] is not None


def test_keys_of_one_text_are_never_one():
    with stage(echo) as s:
        s.claude.map([{1: "a", "1": "b"}], "Sum up")
        assert "1: a\n1: b" in text(s.bodies[0])


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (pd.DataFrame({"x": [12345678.9]}), "12345678.9"),
        (pl.DataFrame({"x": pl.Series([0.1], dtype=pl.Float32)}), "0.1"),
        (pa.table({"x": pa.array([0.1], pa.float32())}), "0.1"),
        (pd.DataFrame({"x": pd.Series([0.1], dtype="float32")}), "0.1"),
        (pd.DataFrame({"x": [1700000001.0, None]}).head(1), "1700000001.0"),
        (pd.DataFrame({"x": [2**70]}), "1180591620717411303424"),
        (pl.DataFrame({"x": [Decimal("1.10")]}), "1.10"),
        (pd.DataFrame({"x": pd.period_range("2024-01", periods=1, freq="M")}), "2024-01"),
        (pd.DataFrame({"x": pd.interval_range(0, 1)}), "(0, 1]"),
        (pd.DataFrame({"x": pd.date_range("2024-01-01", periods=1, tz="America/New_York")}), "2024-01-01 00:00:00-05:00"),
        (pd.DataFrame({"x": [1]}, index=["label"]), "1"),
    ],
)  # fmt: skip
def test_a_cell_goes_into_the_prompt_as_it_is(values, words):
    with stage(echo) as s:
        s.claude.map(values, "{x}?")
        assert text(s.bodies[0]) == f"{words}?"


@pytest.mark.parametrize("make", [pd.Series, pl.Series, lambda v: pa.chunked_array([v])])
def test_a_series_of_numbers_comes_back_with_answers(make):
    with stage(echo) as s:
        assert list(map(str, s.claude.map(make([0.5, 1.5]), "{value}?"))) == ["<0.5?>", "<1.5?>"]


@pytest.mark.parametrize("make", [pd.Index, pd.array, pa.array])
def test_an_index_or_array_comes_back_as_a_list(make):
    with stage(echo) as s:
        assert s.claude.map(make([5, 6]), "{value}?") == ["<5?>", "<6?>"]


def test_missing_results_leave_numbers_whole():
    with stage(lambda body: '{"value": 3}' if "p7" in text(body) else "no number") as s:
        out = s.claude.map(pd.DataFrame({"a": ["p7", "q"]}), "Count", int)
        assert out["answer"].iloc[0] == 3 and pd.isna(out["answer"].iloc[1])
        assert out["answer"].dtype == "Int64"

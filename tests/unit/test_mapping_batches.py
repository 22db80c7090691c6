"""What `claude.map(…, batch=True)` gives: half the price, results in order, from another kernel too, each billed once."""

from __future__ import annotations

import json
import signal
import sqlite3
import stat
import subprocess
import sys
import textwrap
import time
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest
from pydantic import BaseModel
from support.faults_line import until
from support.world import stage

from claude_jupyter.client import message_batches as wire
from claude_jupyter.conversation.billing import Billing, Owner
from claude_jupyter.conversation.conversation import Conversation
from claude_jupyter.conversation.environment import Environment
from claude_jupyter.conversation.map.batch_store import Records
from claude_jupyter.conversation.store.journal import Journal
from claude_jupyter.costs.ledger.calls import Where
from claude_jupyter.costs.ledger.sqlite_ledger import Ledger
from claude_jupyter.demo.script import Script
from claude_jupyter.errors import (
    APIConnectionError,
    BudgetError,
    NotFoundError,
    OverloadedError,
    StoppedError,
    UsageError,
)


class Review(BaseModel):
    label: str


def text(body):
    return body["messages"][-1]["content"][-1]["text"]


def reply(body):
    if "bad" in text(body):
        return Script(status=400, error="prompt is odd")
    return Script(text='{"label": "good"}') if "output_config" in body else f"<{text(body)}>"


@contextmanager
def running(folder, mode="on", replies=reply):
    with stage(replies) as s:
        s.env.journal = Journal(folder, "kernel-1", "a.ipynb", lambda: mode, print)
        yield s


def another_kernel(s, folder):
    """A conversation of another kernel with the same service and journal."""
    ledger = Ledger(None, warn=print)
    service = s.env.service
    billing = Billing(
        s.settings, ledger, Owner("tester", "kernel-2", "b.ipynb"), provider=lambda: service.provider
    )
    env = Environment(s.settings, service, billing, s.env.frontend)
    env.journal = Journal(folder, "kernel-2", "b.ipynb", lambda: "on", print)
    return Conversation(env), ledger


def batches_sent(s):
    return [r.body for r in s.server.requests if r.method == "POST" and r.path.endswith("/batches")]


def test_results_come_back_in_order_at_half_the_price(tmp_path):
    df = pd.DataFrame({"a": ["x", "y", "x"]}, index=[3, 2, 1])
    with running(tmp_path) as s:
        direct = s.claude.map(df, "{a}??")
        paid = s.claude.cost
        batch = s.claude.map(df, "{a}?!", batch=True)
        assert batch.id.startswith("msgbatch_") and batch.cost is None
        assert batch.status == "ended" and batch.counts["succeeded"] == 2
        out = batch.collect()
        assert list(out["answer"]) == ["<x?!>", "<y?!>", "<x?!>"] and list(out.index) == list(direct.index)
        assert batch.cost * 2 == paid and s.claude.cost == paid + batch.cost
        rows = list(s.ledger.rows(Where()))
        assert sum(Decimal(r["cost_usd"]) for r in rows) == s.claude.cost
        assert [r["service_tier"] for r in rows[2:]] == ["batch", "batch"]
        batch.collect()
        assert len(list(s.ledger.rows(Where()))) == 4


def test_another_kernel_lists_and_collects_it(tmp_path):
    with running(tmp_path) as s:
        s.claude.map(["a", "bad", "b"], "{value}", Review, batch=True)
        other, ledger = another_kernel(s, tmp_path)
        (found,) = other.batches
        assert "3 rows" in repr(other.batches) and "submitted" in repr(found)
        assert found.collect() == [{"label": "good"}, None, {"label": "good"}]
        assert found.collect(returns=Review)[0] == Review(label="good")
        assert len(list(ledger.rows(Where()))) == 2 and other.cost == found.cost > 0
        # Collected there, it costs nothing more here, and the map itself finds the answers too.
        (mine,) = s.claude.batches
        mine.collect()
        assert "collected" in repr(mine) and not list(s.ledger.rows(Where()))
        out = s.claude.map(["a", "b"], "{value}", Review)
        assert out == [Review(label="good")] * 2 and not s.bodies
    (record,) = (tmp_path / "batches").iterdir()
    assert stat.S_IMODE(record.stat().st_mode) == 0o600


def test_what_a_batch_is_likely_to_cost_is_set_aside_until_it_is_collected(tmp_path):
    def spent(ledger):
        return ledger.spent(kernel="kernel-1", notebook="a.ipynb", user="tester")

    path = tmp_path / "ledger.db"
    with running(tmp_path / "journal") as s:
        ledger = s.env.billing.accounts = Ledger(path, warn=print)
        s.settings.daily_budget = 1.0
        batch = s.claude.map(["a", "b"], "{value}", batch=True)
        held = spent(ledger)
        assert 0 < held.kernel == held.notebook == held.day
        s.settings.daily_budget = float(held.day) * 1.01
        with pytest.raises(BudgetError):
            s.claude.map(["c", "d"], "{value}", batch=True)
        with pytest.raises(BudgetError):
            s.claude.ask("And?")
        assert not list(ledger.rows(Where())) and spent(ledger) == held
        # Another kernel with the same ledger collects it: nothing stays set aside.
        other, _ = another_kernel(s, tmp_path / "journal")
        other._env.billing.accounts = theirs = Ledger(path, warn=print)
        other.batches[0].collect()
        assert spent(theirs).kernel == 0 and 0 < spent(theirs).day == other.cost < held.day
        batch.collect()
        assert spent(ledger).day == other.cost
        theirs.close()
        ledger.close()


def test_nothing_stays_set_aside_for_a_batch_that_was_refused(tmp_path, monkeypatch):
    def refused(*_):
        raise OverloadedError("busy")

    monkeypatch.setattr(wire, "create", refused)
    with running(tmp_path) as s:
        with pytest.raises(OverloadedError):
            s.claude.map(["a"], "{value}", batch=True)
        assert s.ledger.spent(kernel="kernel-1").kernel == 0


def test_the_same_rows_are_not_sent_twice_while_they_are_under_way(tmp_path, capsys):
    with running(tmp_path) as s:
        first = s.claude.map(["a", "b"], "{value}", batch=True)
        again = s.claude.map(["b", "a"], "{value}", batch=True)
        assert again.id == first.id and len(batches_sent(s)) == 1
        assert "already in progress" in capsys.readouterr().out
        assert again.collect() == ["<b>", "<a>"]
        done = s.claude.map(["a"], "{value}", batch=True)
        assert done.collect() == ["<a>"] and len(batches_sent(s)) == 1


def test_errors_are_per_row_and_are_asked_again_next_time(tmp_path, capsys):
    with running(tmp_path) as s:
        batch = s.claude.map(pd.DataFrame({"a": ["ok", "bad"]}), "{a}", batch=True)
        out = batch.collect()
        assert out["answer"][0] == "<ok>" and out["error"][1] == "prompt is odd"
        assert "1 of 2 rows with an error" in capsys.readouterr().out
        s.claude.map(pd.DataFrame({"a": ["ok", "bad"]}), "{a}", batch=True)
        assert [len(b["requests"]) for b in batches_sent(s)] == [2, 1]


def test_a_cancelled_batch_says_so_per_row(tmp_path):
    with running(tmp_path) as s:
        batch = s.claude.map(["a"], "{value}", batch=True).cancel()
        assert batch.status == "ended" and batch.counts["canceled"] == 1
        assert batch.collect() == [None] and batch.cost == 0
        assert "Canceled" in next(iter(batch.record.problems.values()))


def test_it_is_split_where_it_is_too_large_for_one(tmp_path, monkeypatch):
    monkeypatch.setattr(wire, "MOST", 2)
    with running(tmp_path) as s:
        batch = s.claude.map(list("abcde"), "{value}", batch=True)
        assert [len(b["requests"]) for b in batches_sent(s)] == [2, 2, 1]
        assert batch.collect(wait=True) == [f"<{c}>" for c in "abcde"]
        assert len(s.claude.batches) == 1


def test_parts_that_were_sent_are_written_down_before_the_next_is(tmp_path, monkeypatch):
    monkeypatch.setattr(wire, "MOST", 1)
    create, written = wire.create, []

    def creating(service, items, keep):
        folder = tmp_path / "batches"
        written.append(len(json.loads(next(folder.iterdir()).read_text())["parts"]) if folder.is_dir() else 0)
        return create(service, items, keep)

    monkeypatch.setattr(wire, "create", creating)
    with running(tmp_path) as s:
        s.claude.map(list("abc"), "{value}", batch=True)
        assert written == [0, 1, 2]


def test_a_batch_that_was_on_its_way_when_the_cell_was_stopped_is_not_lost(tmp_path, monkeypatch):
    create = wire.create

    def stopped_meanwhile(service, items, keep):
        def late(name):
            signal.raise_signal(signal.SIGINT)
            time.sleep(0.3)
            return keep(name)

        return create(service, items, late)

    with running(tmp_path) as s:
        monkeypatch.setattr(wire, "create", stopped_meanwhile)
        with pytest.raises(StoppedError):
            s.claude.map(list("abc"), "{value}", batch=True)
        until(lambda: s.claude.batches, "the batch to be written down")
        monkeypatch.undo()
        again = s.claude.map(list("abc"), "{value}", batch=True)
        assert again.collect(wait=True) == ["<a>", "<b>", "<c>"]
        assert len(batches_sent(s)) == 1


@pytest.mark.parametrize("error", [APIConnectionError("The line broke."), KeyboardInterrupt()])
def test_a_collection_that_broke_off_goes_on_and_bills_nothing_twice(tmp_path, monkeypatch, error):
    results = wire.results

    def broken(service, name):
        lines = results(service, name)
        yield next(lines)
        yield next(lines)
        raise error

    with running(tmp_path) as s:
        batch = s.claude.map(list("abc"), "{value}", batch=True)
        monkeypatch.setattr(wire, "results", broken)
        with pytest.raises((APIConnectionError, StoppedError)):
            batch.collect()
        monkeypatch.undo()
        other, ledger = another_kernel(s, tmp_path)
        assert other.batches[0].collect() == ["<a>", "<b>", "<c>"]
        assert len(list(s.ledger.rows(Where()))) == 2 and len(list(ledger.rows(Where()))) == 1
        (found,) = s.claude.batches
        spent = [Decimal(r["cost_usd"]) for one in (s.ledger, ledger) for r in one.rows(Where())]
        assert found.cost == sum(spent) > 0
        assert s.claude.usage.total + other.usage.total == s.server.usage.total


@pytest.mark.parametrize("after", [1, 2, 3])
def test_a_kernel_killed_while_it_collects_doubles_no_row(tmp_path, monkeypatch, after):
    class Killed(BaseException):
        """Nothing of what follows runs, as after a SIGKILL."""

    results, keep = wire.results, Records.keep

    def killed(service, name):
        for number, line in enumerate(results(service, name)):
            if number == after:
                break
            yield line
        raise Killed

    def nothing(self, record):
        raise Killed

    with running(tmp_path) as s:
        batch = s.claude.map(list("abc"), "{value}", batch=True)
        monkeypatch.setattr(wire, "results", killed)
        monkeypatch.setattr(Records, "keep", nothing)
        with pytest.raises(Killed):
            batch.collect()
        monkeypatch.setattr(wire, "results", results)
        monkeypatch.setattr(Records, "keep", keep)
        other, _ = another_kernel(s, tmp_path)
        other._env.billing = s.env.billing  # the ledger on disk is one
        assert other.batches[0].collect() == ["<a>", "<b>", "<c>"]
        rows = list(s.ledger.rows(Where()))
        assert len(rows) == 3 and len({r["request_id"] for r in rows}) == 3
        assert sum(r["output_tokens"] for r in rows) == s.server.usage.output


COLLECTS = """
    import os, signal, sys
    sys.path[:0] = [{root!r}, {tests!r}]
    import anthropic
    from pathlib import Path
    from support.world import stage
    from claude_jupyter.conversation.store.journal import Journal
    from claude_jupyter.costs.ledger.sqlite_ledger import Ledger

    seen = 0

    def killed(frame, event, arg):
        global seen
        code = frame.f_code
        if event == {event!r} and code.co_name == {name!r} and {file!r} in code.co_filename:
            seen += 1
            if seen == {count}:
                os.kill(os.getpid(), signal.SIGKILL)
        return killed if {file!r} in code.co_filename else None

    with stage() as s:
        s.env.service.client = anthropic.Anthropic(api_key="sk-test-not-a-key", base_url={url!r})
        s.env.billing.accounts = Ledger(Path({ledger!r}), warn=print, kernel="kernel-2")
        s.env.journal = Journal(Path({journal!r}), "kernel-2", "b.ipynb", lambda: "on", print)
        (batch,) = s.claude.batches
        sys.settrace(killed)
        batch.collect()
"""


@pytest.mark.parametrize(
    ("event", "name", "file", "count"),
    [
        ("call", "start", "sqlite_ledger.py", 2),
        ("return", "start", "sqlite_ledger.py", 2),
        ("call", "finish", "sqlite_ledger.py", 1),
        ("return", "finish", "sqlite_ledger.py", 2),
        ("return", "keep", "results.py", 3),
        ("call", "keep", "batch_store.py", 1),
        ("return", "keep", "batch_store.py", 1),
    ],
)
def test_a_kernel_killed_by_the_system_while_it_collects_doubles_no_row(tmp_path, event, name, file, count):
    tests = Path(__file__).parents[1]
    ledger, journal = tmp_path / "ledger.db", tmp_path / "journal"
    with running(journal) as s:
        accounts = s.env.billing.accounts = Ledger(ledger, warn=print, kernel="kernel-1")
        s.claude.map(list("abc"), "{value}", batch=True)
        code = COLLECTS.format(
            root=str(tests.parent), tests=str(tests), url=s.server.url, ledger=str(ledger), journal=str(journal),
            event=event, name=name, file=file, count=count,
        )  # fmt: skip
        done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], timeout=100, check=False)
        assert done.returncode == -signal.SIGKILL
        assert s.claude.batches[0].collect() == ["<a>", "<b>", "<c>"]
        rows = list(accounts.rows(Where()))
        whole = [r for r in rows if r["complete"]]
        assert len(whole) == len({r["request_id"] for r in whole}) == 3
        assert sum(r["output_tokens"] for r in whole) == s.server.usage.output
        # The row that was being written when the kernel died is marked, and costs nothing.
        assert len(rows) - 3 <= 1 and not any(r["cost_usd"] for r in rows if not r["complete"])
        accounts.close()


def test_a_ledger_that_cannot_let_go_costs_no_result(tmp_path, monkeypatch):
    with running(tmp_path) as s:
        s.settings.daily_budget = 1.0
        ledger = s.env.billing.accounts = Ledger(tmp_path / "ledger.db", warn=print)
        batch = s.claude.map(["a"], "{value}", batch=True)

        def locked(*_):
            raise sqlite3.OperationalError("database is locked")

        monkeypatch.setattr("claude_jupyter.costs.ledger.sqlite_ledger.release", locked)
        assert batch.collect() == ["<a>"] and s.claude.batches[0].record.done
        ledger.close()


def test_what_is_not_done_says_how_far_it_is(tmp_path, monkeypatch):
    with running(tmp_path) as s:
        batch = s.claude.map(["a", "b"], "{value}", batch=True)
        told = {"processing_status": "in_progress", "request_counts": {"processing": 1, "succeeded": 1}}
        monkeypatch.setattr(wire, "info", lambda _service, _name: told)
        with pytest.raises(UsageError, match=r"1 of 2 requests are left.*wait=True"):
            batch.collect()
        monkeypatch.undo()
        assert batch.collect() == ["<a>", "<b>"]


def test_with_the_journal_off_only_this_kernel_has_it(tmp_path):
    with running(tmp_path, "off") as s:
        s.claude.map(["a"], "{value}", batch=True)
        assert not list(tmp_path.iterdir())
        (batch,) = s.claude.batches
        assert batch.collect() == ["<a>"]


def test_a_record_that_was_cut_is_passed_over(tmp_path):
    with running(tmp_path) as s:
        s.claude.map(["a"], "{value}", batch=True)
        (path,) = (tmp_path / "batches").iterdir()
        path.write_text(path.read_text()[:50])
        assert not s.claude.batches and "no batches" in repr(s.claude.batches)


def test_budgets_and_unknown_batches_are_clear(tmp_path):
    with running(tmp_path) as s:
        s.settings.budget = 0.01
        with pytest.raises(BudgetError, match="Not sent"):
            s.claude.map([f"{n}" for n in range(50)], "{value}", batch=True)
        s.settings.budget = None
        with pytest.raises(UsageError, match="extra headers"):
            s.claude.map(["a"], "{value}", batch=True, model="claude-haiku-4-5", temperature=0.5)
        assert not batches_sent(s) and not s.claude.batches
        batch = s.claude.map(["a"], "{value}", batch=True)
        s.server.batches.clear()
        with pytest.raises(NotFoundError):
            batch.collect()

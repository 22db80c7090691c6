"""The ledger: every request a row, summed to the last decimal, whatever the clock does, and what is set aside meanwhile."""

import contextlib
import json
import random
import sqlite3
import time
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from support.ledger import CALL, MODEL, D, outcome, table

from claude_jupyter.costs.ledger import queries
from claude_jupyter.costs.ledger.calls import Call, CallOutcome, Reserve, Spent, Sum, Where
from claude_jupyter.costs.ledger.schema import COLUMNS, SCOPES
from claude_jupyter.costs.ledger.sqlite_ledger import Ledger
from claude_jupyter.costs.prices import price
from claude_jupyter.costs.usage import Cost, Usage


def test_a_request_is_a_row_when_it_starts_and_complete_when_it_ends(ledger: Ledger):
    row = ledger.start(CALL)
    (begun,) = ledger.rows()
    assert list(begun) == list(COLUMNS)
    assert (begun["id"], begun["model"], begun["user"]) == (row, MODEL, "ada")
    assert (begun["complete"], begun["cost_usd"], begun["seconds"]) == (0, None, None)

    wire = {"input_tokens": 1000}
    ledger.finish(row, outcome(request_id="req_1", ttft=0.2, service_tier="standard", usage_json=wire))
    (ended,) = ledger.rows()
    assert ended["cost_usd"] == "0.0121"  # 1,000 in at $2, 1,000 out at $10, 1,000 read at $0.10 per million
    assert D(ended["cost_usd"]) == price(Usage(1_000, 1_000, 1_000), MODEL)
    assert (ended["complete"], ended["stop_reason"], ended["request_id"]) == (1, "end_turn", "req_1")
    assert json.loads(ended["usage_json"]) == wire
    assert datetime.fromisoformat(ended["at"]).utcoffset() == timedelta(0)


def test_the_table_is_the_one_of_the_specification(ledger: Ledger):
    ledger.start(CALL)
    assert ledger.path
    columns = [r[1] for r in table(ledger.path, "PRAGMA table_info(calls)")]
    assert tuple(columns) == COLUMNS
    assert table(ledger.path, "PRAGMA journal_mode") == [("wal",)]


def test_nobody_else_can_read_it(ledger: Ledger):
    ledger.finish(ledger.start(CALL), outcome())
    assert ledger.path
    assert ledger.path.parent.stat().st_mode & 0o777 == 0o700
    assert {p.stat().st_mode & 0o777 for p in ledger.path.parent.iterdir()} == {0o600}


def test_sums_are_exact_to_the_last_decimal(ledger: Ledger):
    rng = random.Random(5)
    expected = D(0)
    for n in range(300):
        row = ledger.start(Call(MODEL, user="ada", kernel="k1", chat="main", turn=n))
        done = outcome(rng.randrange(1, 90_000))
        assert done.cost is not None
        expected += done.cost
        ledger.finish(row, done)
    (total,) = ledger.sums(())
    assert total.cost == total.billed == expected
    assert sum(total.parts.values()) == expected
    assert (total.calls, total.turns) == (300, 300)
    assert ledger.spent(kernel="k1", user="ada") == Spent(expected, D(0), expected)


def test_a_price_that_is_not_known_is_not_zero(ledger: Ledger):
    row = ledger.start(CALL)
    ledger.finish(row, CallOutcome(usage=Usage(input=9), cost=None, complete=True))
    (kept,) = ledger.rows()
    (total,) = ledger.sums(())
    assert kept["cost_usd"] is None
    assert (total.unknown, total.cost) == (1, 0)


def test_a_stopped_answer_is_marked_as_a_lower_bound(ledger: Ledger):
    ledger.finish(ledger.start(CALL), CallOutcome(Usage(input=9), Cost({"input": D("0.5")}), estimated=True))
    (total,) = ledger.sums(("cell",))
    assert (total.estimated, total.unfinished, total.billed) == (1, 0, D("0.5"))


def test_the_demo_shows_its_price_and_counts_nothing(ledger: Ledger):
    call = Call(MODEL, provider="demo", user="ada", kernel="k1", notebook="a.ipynb")
    ledger.finish(ledger.start(call), outcome())
    (total,) = ledger.sums(())
    assert (total.billed, total.unbilled) == (0, D("0.0121"))
    assert ledger.spent(kernel="k1", notebook="a.ipynb", user="ada") == Spent()


def test_tool_rounds_are_rows_of_one_question(ledger: Ledger):
    for _ in range(3):
        ledger.finish(ledger.start(CALL), outcome())
    ledger.finish(ledger.start(Call(MODEL, user="ada", kernel="k1", chat="main", turn=2)), outcome())
    assert [(s.key, s.calls, s.turns) for s in ledger.sums(("turn",))] == [((1,), 3, 1), ((2,), 1, 1)]


def test_calls_are_summed_by_any_columns_and_found_by_notebook_kernel_user_and_time(ledger: Ledger):
    old = datetime.now(UTC) - timedelta(days=3)
    for kernel, notebook, user, at in (
        ("k1", "a.ipynb", "ada", datetime.now(UTC)),
        ("k2", "a.ipynb", "bob", old),
        ("k2", None, "bob", old),
    ):
        call = Call(MODEL, user=user, kernel=kernel, notebook=notebook, chat="main", turn=1, at=at)
        ledger.finish(ledger.start(call), outcome())
    assert [s.key for s in ledger.sums(("kernel", "notebook"))][2] == ("k1", "a.ipynb")
    assert {s.key for s in ledger.sums(("kernel", "notebook"))[:2]} == {("k2", "a.ipynb"), ("k2", None)}
    assert [(s.key, s.calls) for s in ledger.sums(("notebook",))] == [(("a.ipynb",), 2), ((None,), 1)]
    count = lambda **w: sum(s.calls for s in ledger.sums(("model",), Where(**w)))  # noqa: E731
    assert (count(notebook="a.ipynb"), count(kernel="k2"), count(user="ada"), count(notebook="b")) == (
        2,
        2,
        1,
        0,
    )
    assert (count(since=old + timedelta(hours=1)), count(until=old + timedelta(hours=1)), count()) == (
        1,
        2,
        3,
    )
    assert sum(s.calls for s in ledger.sums(("slot",), Where(user="bob"))) == 2
    by_day = ledger.sums(("day",), Where(notebook="a.ipynb"))
    assert [(s.key, s.calls) for s in by_day] == [((old.astimezone().date(),), 1), ((date.today(),), 1)]
    assert [s.key for s in ledger.sums(("day",))] == [s.key for s in by_day]
    assert len(list(ledger.rows(Where(kernel="k2", since=old)))) == 2
    assert ledger.sums((), Where(notebook="nowhere")) == []


@pytest.mark.parametrize("since", [1, 5, 18, 25])
def test_sums_since_a_day_are_the_same_however_they_are_found(ledger: Ledger, since: int):
    rng = random.Random(since)
    begun = datetime.now(UTC) - timedelta(days=20)
    for n in range(150):
        at = begun + timedelta(hours=n * 20 * 24 / 150)
        call = Call(
            rng.choice([MODEL, "claude-opus-5-5"]),
            user="ada",
            kernel="k1",
            notebook=rng.choice(["a", "b"]),
            at=at,
        )
        ledger.finish(ledger.start(call), outcome(rng.randrange(1, 10_000)))
    where = Where(since=datetime.now(UTC) - timedelta(days=since))
    rows = [
        r
        for r in ledger.rows()
        if int(datetime.fromisoformat(r["at"]).timestamp()) // 900 * 900 + 900 > where.since.timestamp()
    ]  # type: ignore[union-attr]
    for column in ("model", "notebook"):
        direct: dict[str, Decimal] = {}
        for row in rows:
            direct[row[column]] = direct.get(row[column], D(0)) + D(row["cost_usd"])
        assert {s.key[0]: s.billed for s in ledger.sums((column,), where)} == direct
    assert sum(s.calls for s in ledger.sums((), where)) == len(rows)


def test_budgets_count_this_kernel_this_notebook_and_this_users_day(ledger: Ledger):
    yesterday = datetime.now(UTC) - timedelta(days=2)
    for kernel, notebook, user, at in (
        ("k1", "a", "ada", None),
        ("k2", "a", "ada", None),
        ("k3", "b", "bob", None),
        ("k1", "a", "ada", yesterday),
    ):
        at = at or datetime.now(UTC)
        ledger.finish(
            ledger.start(Call(MODEL, user=user, kernel=kernel, notebook=notebook, at=at)), outcome()
        )
    one = D("0.0121")
    assert ledger.spent(kernel="k1", notebook="a", user="ada") == Spent(2 * one, 3 * one, 2 * one)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Kathmandu", "America/New_York", "Australia/Lord_Howe"])
def test_days_are_the_machines_own_also_when_the_clocks_change(zone: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TZ", zone)
    time.tzset()
    try:
        for day in (datetime(2026, 3, 8).date(), datetime(2026, 10, 4).date(), datetime(2026, 11, 1).date()):
            first, last = queries.day_slots(day)
            assert {queries.slot_day(s) for s in range(first, last)} == {day}
            assert queries.slot_day(first - 1) < day < queries.slot_day(last)
        hours = [len(range(*queries.day_slots(datetime(2026, 3, 8).date()))) / 4]
        assert hours == [23 if zone == "America/New_York" else 24]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_clock_that_jumps_back_loses_nothing(ledger: Ledger):
    for at in (datetime.now(UTC), datetime.now(UTC) - timedelta(days=400)):
        row = ledger.start(Call(MODEL, user="ada", kernel="k1", at=at))
        ledger.finish(row, CallOutcome(Usage(input=1), Cost({"input": D(1)}), complete=True, seconds=-3.0))
    assert [r["seconds"] for r in ledger.rows()] == [0.0, 0.0]
    assert ledger.spent(kernel="k1", user="ada") == Spent(D(2), D(0), D(1))


def test_rows_written_by_others_count_as_well(ledger: Ledger):
    # Another program, or a hand, may add, change and delete rows: what is derived follows.
    ledger.start(CALL)
    assert ledger.path
    with contextlib.closing(sqlite3.connect(ledger.path)) as db:
        db.execute(
            "INSERT INTO calls(id, at, user, kernel, notebook, provider, model, cost_usd, seconds)"
            " VALUES ('x', ?, 'ada', 'k9', 'a.ipynb', 'anthropic', 'm', '1234.567890123456', 2)",
            (datetime.now(UTC).isoformat(),),
        )
        db.commit()
        assert ledger.spent(kernel="k9").kernel == D("1234.567890123456")
        db.execute("UPDATE calls SET kernel = 'k8', cost_usd = '0.1' WHERE id = 'x'")
        db.commit()
        assert ledger.spent(kernel="k9", user="ada") == Spent(day=D("0.1"))
        assert ledger.spent(kernel="k8").kernel == D("0.1")
        db.execute("DELETE FROM calls WHERE id = 'x'")
        db.commit()
    assert ledger.spent(kernel="k8", notebook="a.ipynb", user="ada") == Spent()


def test_totals_always_equal_the_sum_of_the_rows(ledger: Ledger):
    rng = random.Random(11)
    rows = []
    for _ in range(200):
        call = Call(MODEL, user=rng.choice("ab"), kernel=rng.choice("kl"), notebook=rng.choice(["n", None]))  # type: ignore[arg-type]
        rows.append(ledger.start(call))
        if rng.random() < 0.8:
            ledger.finish(rng.choice(rows), outcome(rng.randrange(1, 10_000)))
    assert ledger.path
    for scope, (a, b) in SCOPES.items():
        figures = "sum(billed), sum(unfinished), sum(output), sum(saved)"
        totals = table(
            ledger.path,
            f"SELECT a, b, sum(calls), {figures} FROM totals WHERE scope = '{scope}' GROUP BY 1, 2",
        )
        direct = table(
            ledger.path,
            f"SELECT coalesce({a}, 0), coalesce({b}, 0), count(*), {figures} FROM spent GROUP BY 1, 2",
        )
        assert totals == direct
    exact = sum(
        D(str(r[0])) for r in table(ledger.path, "SELECT cost_usd FROM calls WHERE cost_usd NOT NULL")
    )
    assert sum(s.billed for s in ledger.sums(("kernel",))) == exact


def test_pricing_again_keeps_what_was_recorded(ledger: Ledger):
    row = ledger.start(CALL)
    ledger.finish(row, CallOutcome(Usage(input=1_000_000), None, complete=True))
    new = CallOutcome(cost=Cost({"input": D(2)}), price_date="2026-11-10")
    assert ledger.reprice([(row, new), ("nobody", new)]) == 1
    assert ledger.reprice([(row, new)]) == 0
    newer = CallOutcome(cost=Cost({"input": D("2.5")}), price_date="2026-12-01")
    assert ledger.reprice([(row, newer)]) == 1
    (kept,) = ledger.rows()
    assert (kept["cost_usd"], kept["price_date"]) == ("2.5", "2026-12-01")
    assert ledger.spent(kernel="k1").kernel == D("2.5")
    assert ledger.path
    assert table(ledger.path, "SELECT cost_usd, price_date FROM repriced") == [
        (None, None),
        ("2", "2026-11-10"),
    ]


# ── what is reserved for requests in progress ──


def test_what_is_set_aside_counts_until_the_real_price_is_known(ledger: Ledger):
    row = ledger.start(CALL, lambda spent: Reserve(D("0.25"), D("1.5")))
    assert ledger.spent(kernel="k1", notebook="a.ipynb", user="ada") == Spent(D("1.75"), D("1.75"), D("1.75"))
    assert ledger.spent(kernel="k1", notebook="a.ipynb", user="ada").billed == Spent()
    assert ledger.spent(kernel="k2", notebook="b", user="bob") == Spent()
    ledger.finish(row, outcome())
    assert ledger.spent(kernel="k1").kernel == D("0.0121")


def test_sums_of_sums_add_up():
    one = Sum(("a",), 900, 2, 1, Usage(1, 2), D(1), D(2), D(3), D(4), {"input": D(1)}, 1, 0, 1)
    two = Sum(("b",), 1800, 3, 2, Usage(3, 4), D(5), D(6), D(7), D(8), {"output": D(2)}, 0, 2, 0)
    both = Sum.total([two, one], ("all",))
    assert (both.key, both.first, both.calls, both.turns) == (("all",), 900, 5, 3)
    assert (both.usage, both.cost, both.saved) == (Usage(4, 6), D(14), D(10))
    assert both.parts == {"input": D(1), "output": D(2)}

"""The ledger: every request a row, whatever happens to kernels, disks and clocks, and never at the price of an answer."""

import contextlib
import json
import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from claude_jupyter.costs import disk, queries
from claude_jupyter.costs.calls import Call, Outcome, Reserve, Spent, Sum, Where
from claude_jupyter.costs.ledger import Ledger, open_ledger
from claude_jupyter.costs.prices import price
from claude_jupyter.costs.schema import COLUMNS, SCOPES
from claude_jupyter.costs.usage import Cost, Usage
from claude_jupyter.errors import BudgetError, StorageError

# Kernels are forked here; newer Pythons warn of it where threads run.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

D = Decimal
MODEL = "claude-sonnet-5-5"
CALL = Call(MODEL, user="ada", kernel="k1", notebook="a.ipynb", cell="c1", chat="main", turn=1)


def outcome(tokens: int = 1_000, **more: object) -> Outcome:
    usage = Usage(input=tokens, output=tokens, cache_read=tokens, thinking=tokens // 2)
    cost = price(usage, MODEL)
    return Outcome(usage=usage, cost=cost, complete=True, stop_reason="end_turn", seconds=1.5, **more)  # type: ignore[arg-type]


@pytest.fixture
def warnings() -> list[str]:
    return []


@pytest.fixture
def ledger(tmp_path: Path, warnings: list[str]) -> Iterator[Ledger]:
    ledger = Ledger(tmp_path / "data" / "ledger.db", warn=warnings.append, kernel="k1")
    yield ledger
    ledger.close()


def reopened(ledger: Ledger, warn: Callable[[str], None] = print) -> Ledger:
    return Ledger(ledger.path, warn=warn, kernel="other")


def table(path: Path, query: str = "SELECT * FROM calls") -> list[tuple[object, ...]]:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return db.execute(query).fetchall()


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
    ledger.finish(row, Outcome(usage=Usage(input=9), cost=None, complete=True))
    (kept,) = ledger.rows()
    (total,) = ledger.sums(())
    assert kept["cost_usd"] is None
    assert (total.unknown, total.cost) == (1, 0)


def test_a_stopped_answer_is_marked_as_a_lower_bound(ledger: Ledger):
    ledger.finish(ledger.start(CALL), Outcome(Usage(input=9), Cost({"input": D("0.5")}), estimated=True))
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
        ledger.finish(row, Outcome(Usage(input=1), Cost({"input": D(1)}), complete=True, seconds=-3.0))
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
    ledger.finish(row, Outcome(Usage(input=1_000_000), None, complete=True))
    new = Outcome(cost=Cost({"input": D(2)}), price_date="2026-11-10")
    assert ledger.reprice([(row, new), ("nobody", new)]) == 1
    assert ledger.reprice([(row, new)]) == 0
    newer = Outcome(cost=Cost({"input": D("2.5")}), price_date="2026-12-01")
    assert ledger.reprice([(row, newer)]) == 1
    (kept,) = ledger.rows()
    assert (kept["cost_usd"], kept["price_date"]) == ("2.5", "2026-12-01")
    assert ledger.spent(kernel="k1").kernel == D("2.5")
    assert ledger.path
    assert table(ledger.path, "SELECT cost_usd, price_date FROM repriced") == [
        (None, None),
        ("2", "2026-11-10"),
    ]


# ── several kernels, threads, forks, crashes ──


def _kernel(path: Path, kernel: str, count: int) -> None:
    ledger = Ledger(path, warn=_fail, kernel=kernel)
    for n in range(count):
        row = ledger.start(Call(MODEL, user="ada", kernel=kernel, notebook="n", chat="main", turn=n))
        ledger.finish(row, outcome())
    ledger.close()


def _fail(line: str) -> None:
    raise AssertionError(line)


def test_fifty_kernels_opening_and_writing_at_once_lose_no_row(tmp_path: Path):
    path = tmp_path / "ledger.db"
    context = multiprocessing.get_context("fork")
    kernels = [context.Process(target=_kernel, args=(path, f"k{n}", 6)) for n in range(50)]
    for kernel in kernels:
        kernel.start()
    for kernel in kernels:
        kernel.join(60)
    assert [k.exitcode for k in kernels] == [0] * 50
    with contextlib.closing(Ledger(path, warn=_fail)) as ledger:
        (total,) = ledger.sums(())
        assert (total.calls, total.unfinished, total.billed) == (300, 0, 300 * D("0.0121"))
        assert ledger.spent(notebook="n", user="ada") == Spent(D(0), 300 * D("0.0121"), 300 * D("0.0121"))


def test_threads_share_a_ledger(ledger: Ledger):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: ledger.finish(ledger.start(CALL), outcome()), range(80)))
    (total,) = ledger.sums(())
    assert (total.calls, total.unfinished) == (80, 0)


def test_a_forked_child_writes_its_own_rows_and_leaves_the_parents_connection_alone(ledger: Ledger):
    mine = ledger.start(CALL)
    child = os.fork()
    if child == 0:
        status = 1
        with contextlib.suppress(BaseException):
            ledger.finish(ledger.start(Call(MODEL, kernel="child")), outcome())
            status = 0
        os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    ledger.finish(mine, outcome())
    assert sorted(r["kernel"] for r in ledger.rows()) == ["child", "k1"]
    assert all(r["complete"] for r in ledger.rows())


def test_kill_9_at_any_moment_leaves_every_started_request(tmp_path: Path):
    path = tmp_path / "ledger.db"
    program = (
        "import sys; from pathlib import Path\n"
        "from claude_jupyter.costs.ledger import Ledger\n"
        "from claude_jupyter.costs.calls import Call, Outcome\n"
        "ledger = Ledger(Path(sys.argv[1]), warn=print)\n"
        "while True:\n"
        "    row = ledger.start(Call('m', kernel='k'))\n"
        "    print(row, flush=True)\n"
        "    ledger.finish(row, Outcome())\n"
    )
    started: set[str] = set()
    for after in (1, 7, 40):
        with subprocess.Popen(
            [sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True
        ) as victim:
            assert victim.stdout
            started |= {victim.stdout.readline().strip() for _ in range(after)}
            victim.send_signal(signal.SIGKILL)
            started |= {line.strip() for line in victim.stdout if line.endswith("\n") and len(line) == 37}
    with contextlib.closing(Ledger(path, warn=_fail)) as ledger:
        assert started <= {row["id"] for row in ledger.rows()}
    assert table(path, "PRAGMA integrity_check") == [("ok",)]


# ── disks ──


def _write_and_read(ledger: Ledger) -> Decimal:
    ledger.finish(ledger.start(CALL), outcome())
    return ledger.spent(kernel="k1").kernel


def test_a_folder_in_its_place_costs_the_rows_on_disk_and_one_warning(tmp_path: Path, warnings: list[str]):
    (tmp_path / "ledger.db").mkdir()
    ledger = Ledger(tmp_path / "ledger.db", warn=warnings.append)
    assert _write_and_read(ledger) == D("0.0121")
    assert _write_and_read(ledger) == D("0.0242")
    assert len(warnings) == 1
    assert "folder" in warnings[0]
    assert str(tmp_path) not in warnings[0]
    assert [s.calls for s in ledger.sums(("cell",))] == [2]
    ledger.close()


def test_a_link_to_nowhere_costs_one_warning(tmp_path: Path, warnings: list[str]):
    (tmp_path / "ledger.db").symlink_to(tmp_path / "gone" / "ledger.db")
    ledger = Ledger(tmp_path / "ledger.db", warn=warnings.append)
    assert _write_and_read(ledger) == D("0.0121")
    assert len(warnings) == 1
    assert "link" in warnings[0]
    assert not (tmp_path / "gone").exists()


def test_a_file_where_a_folder_should_be_costs_one_warning(tmp_path: Path, warnings: list[str]):
    (tmp_path / "data").write_text("")
    assert _write_and_read(Ledger(tmp_path / "data" / "ledger.db", warn=warnings.append)) == D("0.0121")
    assert len(warnings) == 1


def test_a_disk_that_is_full_for_a_while_gets_the_rows_later(
    ledger: Ledger, warnings: list[str], monkeypatch: pytest.MonkeyPatch
):
    before = ledger.start(CALL)
    connect = Ledger._connect  # pyright: ignore[reportPrivateUsage]

    def full(self: Ledger, path: Path, mode: str) -> sqlite3.Connection:
        db = connect(self, path, mode)
        pages = db.execute("PRAGMA page_count").fetchone()[0]
        db.execute(f"PRAGMA max_page_count = {pages}")  # SQLite itself then says "database or disk is full"
        return db

    monkeypatch.setattr(Ledger, "_connect", full)
    ledger.close()
    big = {"padding": "x" * 100_000}
    ledger.finish(before, outcome(usage_json=big))
    ledger.finish(ledger.start(CALL), outcome(usage_json=big))
    assert ledger.spent(kernel="k1").kernel == D("0.0242")
    assert len(warnings) == 1
    assert "full" in warnings[0]

    monkeypatch.undo()
    ledger.close()
    ledger.finish(ledger.start(CALL), outcome())
    assert [(r["complete"], r["cost_usd"]) for r in reopened(ledger).rows()] == [(1, "0.0121")] * 3
    assert ledger.spent(kernel="k1").kernel == D("0.0363")
    assert len(warnings) == 1


@pytest.mark.parametrize("damage", ["garbage", "torn"])
def test_a_damaged_file_is_set_aside_and_never_overwritten(ledger: Ledger, damage: str):
    assert ledger.path
    for _ in range(200):
        ledger.finish(ledger.start(CALL), outcome())
    ledger.close()
    content = ledger.path.read_bytes()
    torn = content[:4096] + random.Random(1).randbytes(len(content) - 4096)
    content = torn if damage == "torn" else b"not a database at all, " * 500
    ledger.path.write_bytes(content)

    said: list[str] = []
    again = reopened(ledger, said.append)
    again.finish(again.start(CALL), outcome())
    again.finish(again.start(CALL), outcome())
    assert [r["complete"] for r in again.rows()] == [1, 1]
    (aside,) = (p for p in ledger.path.parent.glob("*.damaged-*") if not p.name.endswith(("-wal", "-shm")))
    assert aside.read_bytes() == content
    assert len(said) == 1
    assert aside.name in said[0]
    again.close()


def test_a_kernel_goes_on_in_the_new_file_when_another_set_the_old_one_aside(
    ledger: Ledger, warnings: list[str]
):
    ledger.finish(ledger.start(CALL), outcome())
    assert ledger.path
    seen = disk.identity(ledger.path)
    assert disk.set_aside(ledger.path, seen)
    assert disk.set_aside(ledger.path, seen) is None
    ledger.finish(ledger.start(CALL), outcome())
    assert len(list(reopened(ledger).rows())) == 1
    assert warnings == []


def test_a_ledger_of_a_newer_version_is_left_alone(ledger: Ledger):
    ledger.start(CALL)
    ledger.close()
    assert ledger.path
    with contextlib.closing(sqlite3.connect(ledger.path)) as db:
        db.execute("PRAGMA user_version = 99")
    said: list[str] = []
    again = reopened(ledger, said.append)
    assert _write_and_read(again) == D("0.0121")
    assert _write_and_read(again) == D("0.0242")
    assert len(said) == 1
    assert "newer claude-jupyter" in said[0]
    with pytest.raises(StorageError, match="newer"):
        again.sums(())
    assert table(ledger.path, "SELECT count(*) FROM calls") == [(1,)]
    assert not list(ledger.path.parent.glob("*damaged*"))
    again.close()


def test_another_programs_database_is_not_written_into(tmp_path: Path, warnings: list[str]):
    path = tmp_path / "history.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("CREATE TABLE calls(number TEXT)")
    assert _write_and_read(Ledger(path, warn=warnings.append)) == D("0.0121")
    assert len(warnings) == 1
    assert "another program" in warnings[0]
    assert table(path, "SELECT name FROM sqlite_master") == [("calls",)]


def test_without_wal_each_kernel_has_its_own_file_and_they_are_read_as_one(
    tmp_path: Path, warnings: list[str]
):
    # SQLite's "unix-dotfile" locking cannot do WAL, as many network disks cannot.
    path = tmp_path / "ledger.db"
    kernels = [Ledger(path, warn=warnings.append, kernel=f"k/{n}", vfs="unix-dotfile") for n in range(3)]
    for n, ledger in enumerate(kernels):
        ledger.finish(ledger.start(Call(MODEL, user="ada", kernel=f"k/{n}", chat="main", turn=1)), outcome())
        ledger.close()
    assert sorted(p.name for p in tmp_path.glob("ledger-*.db")) == [f"ledger-k_{n}.db" for n in range(3)]
    assert path.read_bytes() == b""
    assert [s.calls for s in kernels[0].sums(("user",))] == [3]
    assert kernels[2].spent(kernel="k/0", user="ada") == Spent(D("0.0121"), D(0), 3 * D("0.0121"))
    assert len(list(kernels[1].rows())) == 3
    assert warnings == []


def test_files_of_single_kernels_are_still_read_when_the_disk_can_do_wal(tmp_path: Path):
    path = tmp_path / "ledger.db"
    with contextlib.closing(Ledger(path, warn=_fail, kernel="k0", vfs="unix-dotfile")) as old:
        old.finish(old.start(CALL), outcome())
    with contextlib.closing(Ledger(path, warn=_fail, kernel="k1")) as new:
        new.finish(new.start(CALL), outcome())
        assert [s.calls for s in new.sums(())] == [2]


def test_a_network_disk_is_recognised_even_where_wal_seems_to_work(tmp_path: Path):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "21 1 0:20 / / rw - ext4 /dev/sda1 rw\n"
        f"22 1 0:21 / {tmp_path.resolve()} rw,relatime shared:3 - nfs4 server:/home rw\n"
        "23 1 0:22 / /other rw - ext4 /dev/sdb1 rw\n"
    )
    assert disk.is_network(tmp_path / "ledger.db", mounts)
    assert not disk.is_network(Path("/other/ledger.db"), mounts)
    assert not disk.is_network(Path("/elsewhere/ledger.db"), tmp_path / "missing")


def test_a_folder_of_user_data_that_cannot_be_made_costs_one_warning(
    tmp_path: Path, warnings: list[str], monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("CLAUDE_JUPYTER_DATA_DIR", str(tmp_path / "file" / "data"))
    assert _write_and_read(open_ledger("", warn=warnings.append)) == D("0.0121")
    assert len(warnings) == 1
    monkeypatch.setenv("CLAUDE_JUPYTER_DATA_DIR", str(tmp_path / "data"))
    assert open_ledger("", warn=_fail).path == tmp_path / "data" / "ledger.db"
    assert open_ledger(str(tmp_path / "own.db"), warn=_fail).path == tmp_path / "own.db"


def test_an_interrupt_in_the_middle_of_a_row_commits_nothing_of_it(ledger: Ledger):
    def interrupted(spent: Spent) -> Reserve:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ledger.start(CALL, interrupted)
    ledger.finish(ledger.start(CALL), outcome())
    assert len(list(ledger.rows())) == 1


def test_a_refused_request_leaves_no_row(ledger: Ledger):
    def refuse(spent: Spent) -> Reserve:
        raise BudgetError("no")

    with pytest.raises(BudgetError):
        ledger.start(CALL, refuse)
    assert list(ledger.rows()) == []


# ── what is set aside for requests under way ──


def test_what_is_set_aside_counts_until_the_real_price_is_known(ledger: Ledger):
    row = ledger.start(CALL, lambda spent: Reserve(D("0.25"), D("1.5")))
    assert ledger.spent(kernel="k1", notebook="a.ipynb", user="ada") == Spent(D("1.75"), D("1.75"), D("1.75"))
    assert ledger.spent(kernel="k2", notebook="b", user="bob") == Spent()
    ledger.finish(row, outcome())
    assert ledger.spent(kernel="k1").kernel == D("0.0121")


def test_of_a_kernel_that_died_the_input_counts_and_the_output_no_more(ledger: Ledger):
    def die(path: Path) -> None:
        victim = Ledger(path, warn=_fail, kernel="dead")
        victim.start(Call(MODEL, user="ada", kernel="dead"), lambda spent: Reserve(D("0.25"), D("1.5")))
        os.kill(os.getpid(), signal.SIGKILL)

    process = multiprocessing.get_context("fork").Process(target=die, args=(ledger.path,))
    process.start()
    process.join(30)
    assert ledger.spent(user="ada").day == D("0.25")


def test_sums_of_sums_add_up():
    one = Sum(("a",), 900, 2, 1, Usage(1, 2), D(1), D(2), D(3), D(4), {"input": D(1)}, 1, 0, 1)
    two = Sum(("b",), 1800, 3, 2, Usage(3, 4), D(5), D(6), D(7), D(8), {"output": D(2)}, 0, 2, 0)
    both = Sum.total([two, one], ("all",))
    assert (both.key, both.first, both.calls, both.turns) == (("all",), 900, 5, 3)
    assert (both.usage, both.cost, both.saved) == (Usage(4, 6), D(14), D(10))
    assert both.parts == {"input": D(1), "output": D(2)}


def test_a_file_torn_while_it_is_open_stops_no_question(ledger: Ledger, warnings: list[str]):
    for _ in range(300):
        ledger.finish(ledger.start(CALL), outcome())
    ledger.close()
    assert ledger.path
    again = Ledger(ledger.path, warn=warnings.append, kernel="k1")
    again.start(CALL)
    content = ledger.path.read_bytes()
    with ledger.path.open("r+b") as file:  # in place: the connection goes on seeing it
        file.write(content[:4096] + random.Random(2).randbytes(len(content) - 4096))
    for _ in range(3):
        again.spent(kernel="k1", notebook="a.ipynb", user="ada")
        again.finish(again.start(CALL, lambda spent: Reserve()), outcome())
    assert len(warnings) <= 1
    assert sum(s.calls for s in again.sums(())) >= 3
    again.close()

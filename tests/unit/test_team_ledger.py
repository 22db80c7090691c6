"""What a team gets of one ledger in PostgreSQL: no row lost or doubled, budgets across machines, answers whatever happens to it."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sqlite3
import sys
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from types import FrameType
from typing import Any

import pytest
from support.cable import Cable
from support.ledger import CALL, D, outcome
from support.postgres import Postgres

from claude_jupyter.costs import budget
from claude_jupyter.costs.ledger import team_ledger
from claude_jupyter.costs.ledger.calls import Call, Reserve, Spent, Where
from claude_jupyter.costs.ledger.opening import open_ledger
from claude_jupyter.costs.ledger.sqlite_ledger import Ledger
from claude_jupyter.costs.ledger.team_ledger import TeamLedger, parsed
from claude_jupyter.costs.reports import report
from claude_jupyter.costs.reports.summary import report as summed
from claude_jupyter.costs.reports.table import to_text
from claude_jupyter.errors import BudgetError, StorageError

pytestmark = [
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
]

TABLES = "calls, spent, totals, reserved, repriced, gates, ledger_version"


@pytest.fixture(scope="module")
def running() -> Iterator[Postgres]:
    server = Postgres()
    yield server
    server.close()


@pytest.fixture
def postgres(running: Postgres) -> Iterator[Postgres]:
    yield running
    running.sql(f"DROP TABLE IF EXISTS {TABLES}")


@pytest.fixture
def opened(postgres: Postgres, tmp_path: Path) -> Iterator[Callable[..., TeamLedger]]:
    """Opens the ledger as a machine does, with a local ledger of its own."""
    with contextlib.ExitStack() as stack:

        def make(machine: str = "here", *, user: str = "postgres", warn: Any = None) -> TeamLedger:
            local = Ledger(tmp_path / machine / "ledger.db", warn=_fail)
            made = TeamLedger(parsed(postgres.address(user)), local, warn=warn or _fail)
            stack.callback(made.close)
            return made

        yield make


def _fail(line: str) -> None:
    raise AssertionError(line)


def again(ledger: TeamLedger) -> None:
    """Let it try the database at once."""
    ledger._away_until = 0.0


def local_rows(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return int(db.execute("SELECT count(*) FROM calls").fetchone()[0])


# -- the same ledger --------------------------------------------------------------------------------------------------


def test_it_says_the_same_as_the_local_ledger(opened: Callable[..., TeamLedger], tmp_path: Path):
    team, local = opened(), Ledger(tmp_path / "own.db", warn=_fail)
    calls = [
        CALL,
        CALL,
        Call("claude-haiku-4-5", user="ada", kernel="k1", notebook="a.ipynb", cell="c2", chat="side", turn=2),
        Call("claude-sonnet-5-5", "demo", user="bob", kernel="k2", chat="main", turn=1),
        Call("claude-sonnet-5-5", user="bob", kernel="k2", chat="main"),
    ]
    for ledger in (team, local):
        for n, call in enumerate(calls):
            row = ledger.start(call)
            if n != 4:
                ledger.finish(row, outcome(100 * (n + 1), ttft=0.5))
    for by in ((), ("user",), ("model",), ("cell",), ("kernel", "chat", "turn"), ("day",), ("notebook",)):
        for where in (
            Where(),
            Where(user="ada"),
            Where(kernel="k2"),
            Where(notebook="a.ipynb"),
            Where(newest=3),
        ):
            ours, theirs = team.sums(by, where), local.sums(by, where)
            strip = lambda sums: sorted(  # noqa: E731
                (
                    repr(s.key),
                    s.first,
                    s.calls,
                    s.turns,
                    s.usage,
                    s.billed,
                    s.unbilled,
                    s.saved,
                    s.parts,
                    s.unfinished,
                )
                for s in sums
            )
            assert strip(ours) == strip(theirs), (by, where)
    skip = ("id", "at")
    rows = [[{k: v for k, v in r.items() if k not in skip} for r in one.rows()] for one in (team, local)]
    assert rows[0] == rows[1]
    assert team.spent(kernel="k1", notebook="a.ipynb", user="ada") == local.spent(
        kernel="k1", notebook="a.ipynb", user="ada"
    )
    assert to_text(summed(team, by="user")) == to_text(summed(local, by="user"))
    assert report.reprice(team) == report.reprice(local)
    assert team.sums(())[0].billed == local.sums(())[0].billed
    local.close()


def test_the_report_of_a_shell_is_by_user_across_machines(
    opened: Callable[..., TeamLedger], postgres: Postgres, monkeypatch: Any, capsys: Any, tmp_path: Path
):
    for user in ("ada", "bob"):
        ledger = opened(user)
        ledger.finish(ledger.start(Call("claude-sonnet-5-5", user=user, kernel=user)), outcome())
    monkeypatch.setenv("CLAUDE_JUPYTER_LEDGER", postgres.address())
    monkeypatch.setenv("CLAUDE_JUPYTER_DATA_DIR", str(tmp_path / "shell"))
    assert report.main(["--by", "user"]) == 0
    told = capsys.readouterr().out
    assert "ada" in told and "bob" in told and "$0.024" in told
    monkeypatch.delenv("CLAUDE_JUPYTER_LEDGER")
    assert report.main(["--by", "user"]) == 0
    assert "No requests yet" in capsys.readouterr().out


# -- many at once -------------------------------------------------------------------------------------------------------


def _writes(address: str, folder: Path, name: str, count: int) -> None:
    ledger = TeamLedger(parsed(address), Ledger(folder / name / "ledger.db", warn=_fail), warn=_fail)
    for n in range(count):
        row = ledger.start(
            Call("claude-sonnet-5-5", user=f"u{int(name) % 5}", kernel=name, chat="main", turn=n)
        )
        ledger.finish(row, outcome())
    ledger.close()


def _in_processes(work: Callable[..., None], arguments: list[tuple[Any, ...]]) -> None:
    context = multiprocessing.get_context("fork")
    workers = [context.Process(target=work, args=a) for a in arguments]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(100)
    assert [w.exitcode for w in workers] == [0] * len(workers)


def test_fifty_writers_that_also_make_the_tables_lose_no_row(postgres: Postgres, tmp_path: Path):
    _in_processes(_writes, [(postgres.address(), tmp_path, str(n), 2) for n in range(50)])
    assert postgres.sql("SELECT count(*), count(seconds) FROM calls") == [(100, 100)]
    assert postgres.sql("SELECT sum(calls), sum(unfinished), sum(turns) FROM totals") == [(100, 0, 100)]
    assert postgres.sql("SELECT sum(billed) FROM totals") == postgres.sql("SELECT sum(billed) FROM spent")
    assert postgres.sql("SELECT count(*) FROM ledger_version") == [(1,)]


def _spends(address: str, folder: Path, name: str, limit: Decimal) -> None:
    ledger = TeamLedger(parsed(address), Ledger(folder / name / "ledger.db", warn=_fail), warn=_fail)
    wanted = budget.estimate("claude-sonnet-5-5", 1_000, 1_000)
    call = Call("claude-sonnet-5-5", user="ada", kernel=name)
    with contextlib.suppress(BudgetError):
        for _ in range(10):
            admitted = budget.admit(ledger, call, budget.Budgets(day=limit), wanted)
            ledger.finish(admitted.row, outcome())
    ledger.close()


def test_fifty_writers_pass_a_daily_budget_by_no_more_than_one_request(postgres: Postgres, tmp_path: Path):
    limit = D("0.5")
    _in_processes(_spends, [(postgres.address(), tmp_path, f"k{n}", limit) for n in range(50)])
    each = outcome().cost
    assert each is not None
    [(spent,)] = postgres.sql("SELECT sum(billed) FROM totals")
    assert limit - 2 * each < int(spent) * D("1e-12") <= limit + each
    assert postgres.sql("SELECT count(*) FROM reserved") == [(0,)]


# -- when it is away ------------------------------------------------------------------------------------------------------


def test_rows_wait_while_the_database_is_away_and_are_sent_once(
    opened: Callable[..., TeamLedger], postgres: Postgres, tmp_path: Path
):
    told: list[str] = []
    ledger = opened(warn=told.append)
    ledger.finish(ledger.start(CALL), outcome())
    begun = ledger.start(CALL)
    postgres.kill()
    try:
        ledger.finish(begun, outcome())
        for _ in range(3):
            ledger.finish(ledger.start(CALL), outcome())
        unfinished = ledger.start(CALL)
        assert len(told) == 1 and "sent later" in told[0] and "\n" not in told[0]
        assert local_rows(tmp_path / "here" / "ledger.db") == 5
        assert ledger.spent(kernel="k1", user="ada").kernel >= 4 * outcome().cost  # type: ignore[operator]
        with pytest.raises(StorageError, match=r"cannot be read: .* 5 requests are waiting"):
            ledger.sums(())
    finally:
        postgres.start()
    again(ledger)
    ledger.finish(unfinished, outcome())
    assert postgres.sql("SELECT count(*), count(seconds), count(cost_usd) FROM calls") == [(6, 6, 6)]
    assert local_rows(tmp_path / "here" / "ledger.db") == 0
    (total,) = ledger.sums(())
    assert (total.calls, total.unfinished, total.billed) == (6, 0, 6 * outcome().cost)  # type: ignore[operator]


@pytest.fixture
def cable(postgres: Postgres) -> Iterator[Cable]:
    """The network between the ledger and its database."""
    (path,) = Path(postgres.socket).glob(".s.PGSQL.*[0-9]")
    with Cable(str(path)) as made:
        yield made


@pytest.mark.parametrize("fault", ["cut", "cut at a commit", "held"])
def test_rows_wait_while_the_network_is_gone_and_are_sent_once(
    cable: Cable, postgres: Postgres, tmp_path: Path, fault: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(team_ledger, "_PATIENCE", 500)
    told: list[str] = []
    address = f"postgresql+psycopg://postgres@127.0.0.1:{cable.port}/postgres?sslmode=disable"
    ledger = TeamLedger(parsed(address), Ledger(tmp_path / "ledger.db", warn=_fail), warn=told.append)
    ledger.finish(ledger.start(CALL), outcome())
    begun = ledger.start(CALL)
    {"cut": cable.cut, "cut at a commit": lambda: cable.cut_after(b"COMMIT"), "held": cable.hold}[fault]()
    ledger.finish(begun, outcome())
    again(ledger)
    ledger.finish(ledger.start(CALL), outcome())
    assert len(told) == 1 and "sent later" in told[0] and "\n" not in told[0]
    assert local_rows(tmp_path / "ledger.db") == 2
    cable.mend()
    again(ledger)
    ledger.finish(ledger.start(CALL), outcome())
    assert postgres.sql("SELECT count(*), count(seconds), count(cost_usd) FROM calls") == [(4, 4, 4)]
    assert local_rows(tmp_path / "ledger.db") == 0
    (total,) = ledger.sums(())
    assert (total.calls, total.unfinished, total.billed) == (4, 0, 4 * outcome().cost)  # type: ignore[operator]
    ledger.close()


def test_what_waits_of_a_kernel_that_ended_is_sent_by_the_next_of_several(
    opened: Callable[..., TeamLedger], postgres: Postgres, tmp_path: Path
):
    opened().sums(())  # the tables
    postgres.kill()
    try:
        away = opened(warn=lambda _line: None)
        for _ in range(30):
            away.finish(away.start(CALL), outcome())
        away.close()
    finally:
        postgres.start()
    _in_processes(_reads, [(postgres.address(), tmp_path / "here") for _ in range(4)])
    assert postgres.sql("SELECT count(*) FROM calls") == [(30,)]
    assert postgres.sql("SELECT sum(calls), sum(turns) FROM totals") == [(30, 1)]
    assert local_rows(tmp_path / "here" / "ledger.db") == 0


def _reads(address: str, folder: Path) -> None:
    with contextlib.closing(
        TeamLedger(parsed(address), Ledger(folder / "ledger.db", warn=_fail), warn=_fail)
    ) as ledger:
        ledger.sums(())


def _writes_through_a_crash(address: str, folder: Path, ready: Any) -> None:
    ledger = TeamLedger(parsed(address), Ledger(folder / "ledger.db", warn=_fail), warn=lambda _line: None)
    for n in range(50):
        if n == 10:
            ready.set()
        again(ledger)
        ledger.finish(ledger.start(Call("m", user="ada", kernel=str(os.getpid()), turn=n)), outcome())
    ledger.close()


def test_a_server_killed_in_mid_write_and_started_again_has_every_row_once(
    postgres: Postgres, tmp_path: Path
):
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    writers = [
        context.Process(target=_writes_through_a_crash, args=(postgres.address(), tmp_path / str(n), ready))
        for n in range(3)
    ]
    for writer in writers:
        writer.start()
    assert ready.wait(60)
    postgres.kill()
    postgres.start()
    for writer in writers:
        writer.join(100)
    assert [w.exitcode for w in writers] == [0] * 3
    for n in range(3):
        _reads(postgres.address(), tmp_path / str(n))
    assert postgres.sql("SELECT count(*), count(DISTINCT (kernel, turn)), count(seconds) FROM calls") == [
        (150, 150, 150)
    ]
    assert postgres.sql("SELECT sum(calls), sum(unfinished), sum(billed) FROM totals") == postgres.sql(
        "SELECT count(*), sum(unfinished), sum(billed) FROM spent"
    )


def test_a_budget_holds_for_what_is_asked_while_it_is_away(
    opened: Callable[..., TeamLedger], postgres: Postgres
):
    ledger = opened(warn=lambda _line: None)
    ledger.finish(ledger.start(CALL), outcome())
    before = ledger.spent(kernel="k1", notebook="a.ipynb", user="ada")
    postgres.kill()
    try:
        seen: list[Spent] = []
        for _ in range(2):
            ledger.start(CALL, lambda spent: seen.append(spent) or Reserve(D("0.1")))
        assert seen[0].day == before.day and seen[1].day == before.day + D("0.1")
    finally:
        postgres.start()


# -- rights, passwords, extras --------------------------------------------------------------------------------------------


def rights() -> str:
    """The SQL that the documentation gives."""
    page = Path(__file__).parents[2] / ".github" / "TEAM_LEDGER.md"
    return page.read_text().split("```sql\n")[1].split("```")[0]


def test_a_role_of_least_rights_writes_and_reads_its_own_rows_only(
    opened: Callable[..., TeamLedger], postgres: Postgres
):
    opened("owner").sums(())
    postgres.sql("CREATE ROLE ada LOGIN; CREATE ROLE bob LOGIN")
    try:
        postgres.sql(rights().replace("ada", "ada, bob"))
        for name in ("ada", "bob"):
            ledger = opened(name, user=name)
            wanted = budget.estimate("claude-sonnet-5-5", 1_000, 1_000)
            call = Call("claude-sonnet-5-5", user=name, kernel=name, chat="main", turn=1)
            row = budget.admit(ledger, call, budget.Budgets(day=D(1)), wanted).row
            ledger.finish(row, outcome())
            assert [s.key for s in ledger.sums(("user",))] == [(name,)]
            assert [r["user"] for r in ledger.rows()] == [name]
        assert {s.key for s in opened("owner").sums(("user",))} == {("ada",), ("bob",)}
        told: list[str] = []
        liar = opened("liar", user="ada", warn=told.append)
        liar.start(Call("claude-sonnet-5-5", user="bob"))
        assert told and "row-level security" in told[0]
        assert postgres.sql("SELECT count(*) FROM calls WHERE \"user\" = 'bob'") == [(1,)]
    finally:
        postgres.sql(f"DROP TABLE IF EXISTS {TABLES}; DROP OWNED BY ada, bob; DROP ROLE ada, bob")


def test_no_message_holds_the_password(tmp_path: Path):
    told: list[str] = []
    secret = "hunter2-and-more"
    url = parsed(f"postgresql+psycopg://ada:{secret}@127.0.0.1:1/costs")
    ledger = TeamLedger(url, Ledger(tmp_path / "ledger.db", warn=_fail), warn=told.append)
    ledger.finish(ledger.start(CALL), outcome())
    with pytest.raises(StorageError) as caught:
        ledger.sums(())
    assert len(told) == 1 and "refused" in told[0]
    for text in (*told, str(caught.value), ledger.name, repr(ledger)):
        assert secret not in text
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.db")) as db:
        assert secret not in "".join(db.iterdump())
    with pytest.raises(StorageError) as caught:
        parsed(f"postgresql+psycopg://ada:{secret}@host:notaport/x")
    assert secret not in str(caught.value)
    with pytest.raises(StorageError, match="not a database address") as caught:
        TeamLedger(parsed(f"nosuch://ada:{secret}@host/x"), Ledger(None, warn=_fail), warn=_fail)
    assert secret not in str(caught.value)
    ledger.close()


def test_a_missing_extra_is_named_in_one_line(monkeypatch: Any, capsys: Any, tmp_path: Path):
    import sys

    monkeypatch.setenv("CLAUDE_JUPYTER_DATA_DIR", str(tmp_path))
    monkeypatch.delitem(sys.modules, "claude_jupyter.costs.ledger.team_ledger", raising=False)
    monkeypatch.delitem(sys.modules, "claude_jupyter.costs.ledger.team_tables", raising=False)
    monkeypatch.setitem(sys.modules, "sqlalchemy", None)
    monkeypatch.setenv("CLAUDE_JUPYTER_LEDGER", "postgresql+psycopg://host/costs")
    assert report.main([]) == 1
    told = capsys.readouterr().err
    assert "pip install 'claude-jupyter[team]'" in told and len(told.strip().splitlines()) == 1


def test_tables_of_a_newer_version_are_left_alone(opened: Callable[..., TeamLedger], postgres: Postgres):
    opened().sums(())
    postgres.sql("INSERT INTO ledger_version VALUES (99)")
    with pytest.raises(StorageError, match="newer claude-jupyter"):
        opened(warn=lambda _line: None).sums(())


@pytest.mark.parametrize("setting", ["~/costs.db", "costs.db", "C:\\costs\\ledger.db", "/tmp/x:y/ledger.db"])
def test_a_path_is_no_address(setting: str):
    with contextlib.closing(open_ledger(setting, warn=_fail)) as ledger:
        assert isinstance(ledger, Ledger)


# -- interrupted ----------------------------------------------------------------------------------------------------------


def test_an_interrupt_at_any_line_of_a_report_leaves_the_ledger_usable(opened: Callable[..., TeamLedger]):
    ledger = opened()
    ledger.finish(ledger.start(CALL), outcome())
    steps = _interrupted_at(lambda: (ledger.sums(("model",)), list(ledger.rows())), -1)
    assert steps > 500
    for at in range(0, steps, 41):
        _interrupted_at(lambda: (ledger.sums(("model",)), list(ledger.rows())), at)
        assert ledger.spent(kernel="k1", user="ada").kernel == outcome().cost
    ledger.finish(ledger.start(CALL), outcome())
    assert ledger.sums(())[0].calls == 2


def _interrupted_at(work: Callable[[], object], at: int) -> int:
    """Run it with an interrupt at one line of ours, SQLAlchemy's or the driver's; how many lines there were."""
    seen = 0

    def tracer(frame: FrameType, event: str, _arg: Any) -> Any:
        nonlocal seen
        if not any(
            name in frame.f_code.co_filename for name in ("/costs/ledger/", "/sqlalchemy/", "/psycopg")
        ):
            return None
        if event == "line":
            seen += 1
            if seen - 1 == at:
                signal.raise_signal(signal.SIGINT)
        return tracer

    before = sys.gettrace()
    sys.settrace(tracer)
    try:
        work()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
    return seen


def test_many_rows_of_one_moment_are_read_once_each(opened: Callable[..., TeamLedger], postgres: Postgres):
    ledger = opened()
    ledger.finish(ledger.start(CALL), outcome())
    columns = "at, user, kernel, provider, model, price_date, estimated, complete"
    quoted = columns.replace("user", '"user"')
    postgres.sql(
        f"INSERT INTO calls (id, {quoted}) SELECT 'r' || n, {quoted} FROM calls, generate_series(1, 1200) n"
    )
    assert len({row["id"] for row in ledger.rows()}) == len(list(ledger.rows())) == 1201

"""The ledger's file among kernels, threads, forks, crashes and broken disks: nothing started is lost, no question is stopped."""

import contextlib
import multiprocessing
import os
import random
import signal
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import pytest
from support.ledger import CALL, MODEL, D, outcome, reopened, table

from claude_jupyter.costs.ledger import disk
from claude_jupyter.costs.ledger.calls import Call, Reserve, Spent
from claude_jupyter.costs.ledger.opening import open_ledger
from claude_jupyter.costs.ledger.sqlite_ledger import Ledger
from claude_jupyter.errors import BudgetError, StorageError

# Kernels are forked here; newer Pythons warn of it where threads run.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

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
        "from claude_jupyter.costs.ledger.sqlite_ledger import Ledger\n"
        "from claude_jupyter.costs.ledger.calls import Call, CallOutcome\n"
        "ledger = Ledger(Path(sys.argv[1]), warn=print)\n"
        "while True:\n"
        "    row = ledger.start(Call('m', kernel='k'))\n"
        "    print(row, flush=True)\n"
        "    ledger.finish(row, CallOutcome())\n"
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


def test_a_network_disk_is_recognized_even_where_wal_seems_to_work(tmp_path: Path):
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


def test_of_a_kernel_that_died_the_input_counts_and_the_output_no_more(ledger: Ledger):
    def die(path: Path) -> None:
        victim = Ledger(path, warn=_fail, kernel="dead")
        victim.start(Call(MODEL, user="ada", kernel="dead"), lambda spent: Reserve(D("0.25"), D("1.5")))
        os.kill(os.getpid(), signal.SIGKILL)

    process = multiprocessing.get_context("fork").Process(target=die, args=(ledger.path,))
    process.start()
    process.join(30)
    assert ledger.spent(user="ada").day == D("0.25")


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

"""Budgets that hold: the answer is shortened to what is left, or the request refused with the figures and a way out."""

import contextlib
import multiprocessing
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from traitlets import TraitError

from claude_jupyter.costs.budget import Budgets, Estimate, admit, check, confirm, estimate, warning
from claude_jupyter.costs.ledger import process
from claude_jupyter.costs.ledger.calls import Call, CallOutcome, Spent
from claude_jupyter.costs.ledger.sqlite_ledger import Ledger
from claude_jupyter.costs.prices import price
from claude_jupyter.costs.reports import table
from claude_jupyter.costs.reports.summary import report
from claude_jupyter.costs.usage import Usage
from claude_jupyter.errors import BudgetError, SettingError
from claude_jupyter.settings import Settings

# Kernels are forked here; newer Pythons warn of it where threads run.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")

D = Decimal
SONNET, OPUS = "claude-sonnet-5-5", "claude-opus-5-5"


def _fail(line: str) -> None:
    raise AssertionError(line)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with contextlib.closing(Ledger(tmp_path / "ledger.db", warn=_fail, kernel="k")) as ledger:
        yield ledger


def test_without_a_budget_nothing_is_clamped_or_refused():
    assert check(Spent(D(900), D(900), D(900)), Budgets(), estimate("no-such-model", 10**6, 16_000)) == 16_000


def test_an_answer_is_shortened_to_what_is_left():
    # Sonnet: $2 in, $10 out per million. $0.10 left, $0.02 to read: $0.08 buys 8,000 tokens.
    wanted = estimate(SONNET, 10_000, 16_000)
    assert check(Spent(kernel=D("0.9")), Budgets(kernel=D(1)), wanted) == 8_000
    assert check(Spent(kernel=D("0.1")), Budgets(kernel=D(1)), wanted) == 16_000


def test_the_tightest_budget_decides():
    wanted = estimate(SONNET, 10_000, 16_000)
    budgets = Budgets(kernel=D(1), notebook=D(2), day=D(5))
    assert check(Spent(D("0.1"), D("1.9"), D("4.85")), budgets, wanted) == 8_000
    with pytest.raises(BudgetError, match="today's"):
        check(Spent(D("0.1"), D("1.9"), D(5)), budgets, wanted)


def test_never_below_1024_tokens_then_refused_with_the_figures_and_a_cheaper_way():
    wanted = estimate(OPUS, 5_000, 16_000)
    needed = D("0.02") + 1024 * D("0.00002")
    just = Budgets(notebook=D(2))
    assert check(Spent(notebook=2 - needed), just, wanted) == 1024
    with pytest.raises(BudgetError) as refused:
        check(Spent(notebook=2 - needed + D("0.000001")), just, wanted)
    text = refused.value.message
    assert "this notebook has spent $1.96 of its $2.00 budget" in text
    assert "$0.0405 is left" in text
    assert "at least $0.0405" in text
    assert "ClaudeMagics.notebook_budget = 3`" in text
    assert "-m haiku` ($0.0010)" in text
    assert text.count("\n") == 1


def test_a_short_answer_that_was_asked_for_is_not_refused_for_being_short():
    wanted = estimate(SONNET, 1_000, 200)
    assert check(Spent(kernel=D("0.995")), Budgets(kernel=D(1)), wanted) == 200


def test_a_daily_budget_can_be_waited_for_and_a_long_history_left_out():
    wanted = estimate("claude-haiku-5-5", 900_000, 16_000)
    with pytest.raises(BudgetError) as refused:
        check(Spent(day=D("4.99")), Budgets(day=D(5)), wanted)
    assert "you have spent $4.99 of today's $5.00 budget" in refused.value.message
    assert "`-n`" in refused.value.message
    assert "tomorrow" in refused.value.message


def test_an_unknown_price_is_refused_while_a_budget_is_set_unless_it_is_named():
    with pytest.raises(BudgetError, match=r"gpt-9.*not known.*ClaudeMagics\.prices"):
        check(Spent(), Budgets(day=D(5)), estimate("gpt-9", 1_000, 16_000))
    own = {"gpt-9": {"input": 2, "output": 10}}
    assert check(Spent(), Budgets(day=D(5)), estimate("gpt-9", 1_000, 16_000, overrides=own)) == 16_000


def test_estimates_know_long_prompts_caching_and_batches():
    assert estimate("claude-haiku-5-5", 200_000, 1_000).most == D("0.1025")
    assert estimate(SONNET, Usage(input=1_000, cache_read=100_000), 1_000).least == D("0.012")
    many = estimate(SONNET, 1_000, 100, requests=500, batch=True)
    assert (many.least, many.most) == (D("0.5"), D("0.75"))
    assert "500 requests" in str(many)
    assert str(estimate("gpt-9", 1, 1)) == "price unknown"


def test_the_footer_warns_from_80_percent():
    budgets = Budgets(notebook=D(2), day=D(5))
    assert warning(Spent(notebook=D("1.59"), day=D(1)), budgets) is None
    assert (
        warning(Spent(notebook=D("1.60"), day=D(1)), budgets) == "80 % of this notebook's $2.00 budget spent"
    )
    assert warning(Spent(notebook=D("1.70"), day=D("4.9")), budgets) == "98 % of today's $5.00 budget spent"
    assert warning(Spent(D(9), D(9), D(9)), Budgets()) is None


def test_asking_before_a_dear_request():
    dear = estimate(OPUS, 400_000, 16_000)
    confirm(estimate(SONNET, 1_000, 16_000), 1.0, None)
    asked: list[str] = []
    confirm(dear, 1.0, lambda question: not asked.append(question))
    assert asked == [
        "This may cost $1.60 to $1.92 (400,000 tokens to read and at most 16,000 to write, claude-opus-5-5). Send it?"
    ]
    with pytest.raises(BudgetError, match="Nothing was spent"):
        confirm(dear, 1.0, lambda question: False)
    with pytest.raises(BudgetError, match=r"%config ClaudeMagics\.confirm_above = 2`"):
        confirm(dear, 1.0, None)


def test_settings_become_budgets():
    settings = Settings(budget=0.1, daily_budget=5)
    assert Budgets.of(settings) == Budgets(D("0.1"), None, D(5))


@pytest.mark.parametrize("value", ["-1", "0", "abc", "nan"])
@pytest.mark.parametrize("name", ["budget", "notebook_budget", "daily_budget"])
def test_a_wrong_budget_is_refused_with_what_is_allowed(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv(f"CLAUDE_JUPYTER_{name.upper()}", value)
    with pytest.raises(SettingError, match=name.upper()):
        Settings()
    monkeypatch.undo()
    with pytest.raises(TraitError, match=name):
        setattr(Settings(), name, float(value) if value != "abc" else value)


def test_the_ledger_is_asked_and_the_row_written_in_one_step(ledger: Ledger):
    call = Call(SONNET, user="ada", kernel="k", notebook="n")
    row, allowed = admit(ledger, call, Budgets(kernel=D("0.2")), estimate(SONNET, 10_000, 16_000))
    assert allowed == 16_000
    assert ledger.spent(kernel="k").kernel == D(
        "0.182"
    )  # $0.16 for the answer, $0.02 for the prompt and a tenth of it
    with pytest.raises(BudgetError):
        admit(ledger, call, Budgets(kernel=D("0.2")), estimate(SONNET, 10_000, 16_000))
    ledger.finish(row, CallOutcome(Usage(10_000, 10), price(Usage(10_000, 10), SONNET), complete=True))
    assert (
        admit(ledger, call, Budgets(kernel=D("0.2")), estimate(SONNET, 10_000, 16_000)).max_tokens == 15_990
    )
    assert len(list(ledger.rows())) == 2


def test_what_is_only_set_aside_is_not_called_spent(ledger: Ledger):
    call, limits = Call(SONNET, user="ada", kernel="k"), Budgets(day=D("0.2"))
    admit(ledger, call, limits, estimate(SONNET, 10_000, 16_000))
    with pytest.raises(BudgetError) as caught:
        admit(ledger, call, limits, estimate(SONNET, 10_000, 16_000))
    assert str(caught.value).startswith(
        "Not sent: you have spent $0 of today's $0.200 budget, and $0.182 is reserved for requests in progress; $0.0180 is left,"
    )
    assert "\nWait until those have finished, or raise it with" in str(caught.value)
    assert warning(ledger.spent(user="ada"), limits) is None
    assert "today $0 of $0.200" in table.to_text(report(ledger, user="ada", daily_budget=D("0.2")))


@pytest.mark.parametrize("provider", ["demo", "replay"])
def test_the_demo_and_replays_are_never_refused(ledger: Ledger, provider: str):
    call = Call("some-model", provider=provider, user="ada", kernel="k")
    row, allowed = admit(ledger, call, Budgets(kernel=D("0.000001")), estimate("some-model", 10**6, 16_000))
    assert allowed == 16_000
    ledger.finish(row, CallOutcome(Usage(10), price(Usage(10), SONNET), complete=True))
    assert ledger.spent(kernel="k", user="ada") == Spent()


def test_budgets_hold_also_when_the_ledger_cannot_be_written(tmp_path: Path):
    (tmp_path / "ledger.db").mkdir()
    said: list[str] = []
    ledger = Ledger(tmp_path / "ledger.db", warn=said.append)
    call = Call(SONNET, user="ada", kernel="k")
    row, _ = admit(ledger, call, Budgets(kernel=D("0.2")), estimate(SONNET, 10_000, 16_000))
    ledger.finish(row, CallOutcome(Usage(95_000), price(Usage(95_000), SONNET), complete=True))
    with pytest.raises(BudgetError, match=r"\$0\.190 of its \$0\.200"):
        admit(ledger, call, Budgets(kernel=D("0.2")), estimate(SONNET, 10_000, 16_000))
    assert len(said) == 1


DAILY = D("1.00")


def _race(path: Path, number: int, vfs: str | None, start: Barrier) -> None:
    """A kernel that asks until the daily budget refuses it; answers are of any length that they may have."""
    ledger = Ledger(path, warn=_fail, kernel=f"k{number}", vfs=vfs)
    rng = random.Random(number)
    start.wait(60)
    wanted: Estimate = estimate(OPUS, 2_000, 4_000)
    for turn in range(60):
        call = Call(OPUS, user="ada", kernel=f"k{number}", chat="main", turn=turn)
        try:
            row, allowed = admit(ledger, call, Budgets(day=DAILY), wanted)
        except BudgetError:
            break
        time.sleep(rng.random() / 100)
        # The estimate was 5 % too low for the prompt, and every third answer used all it was given.
        usage = Usage(input=2_100, output=allowed if turn % 3 == 0 else rng.randrange(allowed))
        ledger.finish(row, CallOutcome(usage, price(usage, OPUS), complete=True))
    ledger.close()


@pytest.mark.parametrize("vfs", [None, "unix-dotfile"], ids=["one file", "a file for each kernel"])
def test_ten_kernels_racing_never_pass_the_daily_budget(tmp_path: Path, vfs: str | None):
    path = tmp_path / "ledger.db"
    context = multiprocessing.get_context("fork")
    start = context.Barrier(10)
    kernels = [context.Process(target=_race, args=(path, n, vfs, start)) for n in range(10)]
    for kernel in kernels:
        kernel.start()
    for kernel in kernels:
        kernel.join(60)
    assert [k.exitcode for k in kernels] == [0] * 10
    with contextlib.closing(Ledger(path, warn=_fail, kernel="end", vfs=vfs)) as ledger:
        spent = ledger.spent(user="ada").day
        error_of_one_estimate = 100 * D("0.000004")
        assert spent <= DAILY + error_of_one_estimate
        assert spent > DAILY - D("0.07")  # and they did use it up
        assert len({row["kernel"] for row in ledger.rows()}) > 1


def test_a_killed_process_holds_nothing_also_before_its_parent_takes_note():
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        told = f"{socket.gethostname()}:{child.pid}:{process._started(child.pid)}"
        assert process.is_alive(told)
        os.kill(child.pid, signal.SIGKILL)
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and still has its entry
        assert not process.is_alive(told)
    finally:
        child.communicate()

"""What a user is told of money is what the service counted, and a budget holds before anything is sent: in a real kernel."""

from __future__ import annotations

import contextlib
import csv
import json
import os
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.asking import ask, assert_one_clear_line
from support.kernel import ANSWER, Execution, Kernel, running_kernel
from support.kernel_fixtures import LOAD, environment
from support.raw_server import RawServer, answer

from claude_jupyter.costs.prices import price
from claude_jupyter.demo import server as demo

CALLS = int(os.environ.get("RECONCILED_CALLS", "100"))
"""How many random calls are reconciled: 500 by `RECONCILED_CALLS=500`."""


@pytest.fixture(scope="module")
def model() -> Iterator[demo.DemoServer]:
    with demo.start() as server:
        yield server


@pytest.fixture
def start(tmp_path: Path, model: demo.DemoServer) -> Iterator[Callable[..., Kernel]]:
    """`start(name=value, …)`: a kernel of a notebook, with settings from the environment; all share a folder of user data."""
    from contextlib import ExitStack

    model.requests.clear()
    with ExitStack() as stack:

        def begin(notebook: str = "morning.ipynb", **settings: str) -> Kernel:
            env = {f"CLAUDE_JUPYTER_{name.upper()}": value for name, value in settings.items()}
            data = str(tmp_path / "data")
            env = environment(model.url, CLAUDE_JUPYTER_DATA_DIR=data, JPY_SESSION_NAME=notebook, **env)
            return stack.enter_context(running_kernel(tmp_path, env, LOAD))

        yield begin


def ledger(folder: Path) -> list[dict[str, Any]]:
    """The rows, oldest first, read as anybody would; a file that is not there yet has none."""
    connection = sqlite3.connect(folder / "data" / "ledger.db")
    connection.row_factory = sqlite3.Row
    try:
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'calls'").fetchone():
            return []
        return [dict(row) for row in connection.execute("SELECT * FROM calls ORDER BY at, rowid")]
    finally:
        connection.close()


def asked(model: demo.DemoServer) -> list[dict[str, Any]]:
    """The bodies of the questions that came to the service."""
    return [r.body for r in model.requests if r.path == "/v1/messages"]


def facts(done: Execution) -> dict[str, Any]:
    return dict(done.answer[ANSWER])


def report(done: Execution) -> str:
    assert done.ok, done.error
    return str(done.bundles[0]["text/plain"])


# -- %claude_cost --------------------------------------------------------------------------------------------------------


def test_the_bill_in_all_its_forms(start: Callable[..., Kernel], tmp_path: Path) -> None:
    kernel = start()
    first = ask(kernel, "Which month is wettest?\nAnd why?", cell_id="a")
    ask(kernel, "Which is driest?", "-m haiku", cell_id="b")
    ask(kernel, "Beside it.", "-c side", cell_id="c")
    rows = ledger(tmp_path)
    total = sum(Decimal(row["cost_usd"]) for row in rows)
    assert facts(first)["cost"] == rows[0]["cost_usd"]

    told = report(kernel.run("%claude_cost", cell_id="d"))
    assert "Which month is wettest?" in told and "And why?" not in told and "Beside it." in told
    assert f"this notebook  {'':>0}" in told and f"${total:.4f}" in told
    assert "this kernel" in told and "today" in told

    for form, words in {
        "--by turn": ["1", "2"],
        "--by chat": ["main", "side"],
        "--by model": ["claude-sonnet-5-5", "claude-haiku"],
        "--by day": [rows[0]["at"][:4]],
        "--by notebook --all": ["morning.ipynb"],
        "--by kernel --all": [rows[0]["kernel"][:8]],
        "--since today": ["since"],
        "--since 7d --kernel": ["this kernel"],
        f"--kernel {rows[0]['kernel']}": ["$"],
        "--notebook morning.ipynb": ["wettest"],
    }.items():
        told = report(kernel.run(f"%claude_cost {form}"))
        assert f"${total:.4f}" in told, (form, told)
        for word in words:
            assert word in told, (form, told)
    assert "No requests" in report(kernel.run("%claude_cost --notebook evening.ipynb"))
    assert "kernel" not in report(kernel.run("%claude_cost --by turn")).split("this notebook")[0]
    ask(start(), "In another kernel.", cell_id="a")
    assert rows[0]["kernel"][:8] in report(kernel.run("%claude_cost --by turn"))


def test_a_picture_and_a_table_for_every_reader(start: Callable[..., Kernel]) -> None:
    kernel = start()
    ask(kernel, "Costs $5 <b>or</b> $7?", cell_id="a")
    done = kernel.run("%claude_cost --plot")
    table, picture = done.bundles
    assert {"text/html", "text/markdown", "text/plain"} <= set(table)
    assert "<b>or</b>" not in table["text/html"]
    assert picture["image/svg+xml"].startswith("<svg") and "█" in picture["text/plain"]


def test_the_bill_as_a_file_that_is_never_overwritten_unasked(
    start: Callable[..., Kernel], tmp_path: Path
) -> None:
    kernel = start()
    ask(kernel, "One?", cell_id="a")
    assert "bill.csv" in kernel.run("%claude_cost --csv bill.csv").stdout
    (line,) = csv.DictReader((tmp_path / "bill.csv").read_text(encoding="utf-8").splitlines())
    assert Decimal(line["cost_usd"]) == Decimal(ledger(tmp_path)[0]["cost_usd"])
    (tmp_path / "bill.csv").write_text("mine")
    assert_one_clear_line(kernel.run("%claude_cost --csv bill.csv"), "bill.csv")
    kept = kernel.run("%claude_cost --csv bill.csv", cell_id="b", stdin=["n"])
    assert kept.asked and "left unchanged" in kept.stdout
    assert (tmp_path / "bill.csv").read_text() == "mine"
    kernel.run("%claude_cost --csv bill.csv", cell_id="b", stdin=["y"])
    assert "cost_usd" in (tmp_path / "bill.csv").read_text()
    assert_one_clear_line(kernel.run("%claude_cost --csv nowhere/bill.csv"), "bill.csv")
    assert kernel.run('%claude_cost --csv "a bill.csv"').ok and (tmp_path / "a bill.csv").exists()
    assert kernel.run(r"%claude_cost --csv C:\temp.csv").ok and (tmp_path / r"C:\temp.csv").exists()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--by color", ["color", "cell"]),
        ("--since tuesday", ["tuesday", "today"]),
        ("--nonsense", ["--nonsense"]),
        ("--csv", ["--csv"]),
        ("--csv .", ["folder"]),
    ],
)
def test_a_wrong_option_is_one_line(line: str, words: list[str], module_kernel: Kernel) -> None:
    assert_one_clear_line(module_kernel.run(f"%claude_cost {line}"), *words)
    assert "--by" in module_kernel.run("%claude_cost --help").stdout


@pytest.fixture(scope="module")
def module_kernel(tmp_path_factory: pytest.TempPathFactory, model: demo.DemoServer) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("wrong")
    env = environment(model.url, CLAUDE_JUPYTER_DATA_DIR=str(folder / "data"))
    with running_kernel(folder, env, LOAD) as kernel:
        yield kernel


def test_cost_as_a_value_with_its_parts(start: Callable[..., Kernel], tmp_path: Path) -> None:
    kernel = start()
    kernel.run("answer = claude.ask('Why?', 'a long text ' * 3000)\nclaude.ask('And?')")
    parts = kernel.value("{k: str(v) for k, v in claude.cost.parts.items()}")
    total = Decimal(kernel.value("str(claude.cost + 0)"))
    assert sum(map(Decimal, parts.values())) == total == sum(Decimal(r["cost_usd"]) for r in ledger(tmp_path))
    assert Decimal(parts["cache_read"]) > 0 and Decimal(parts["cache_write"]) > 0
    assert kernel.value("claude.cost > answer.cost > 0 and claude.last.cost < answer.cost")


# -- budgets -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setting", ["budget", "notebook_budget", "daily_budget"])
def test_what_does_not_fit_is_refused_before_it_is_sent(
    setting: str, start: Callable[..., Kernel], model: demo.DemoServer, tmp_path: Path
) -> None:
    kernel = start(**{setting: "0.002"})
    done = ask(kernel, "Why?", "-m opus")
    assert not done.ok and done.error_name == "BudgetError"
    assert len(done.error.strip().splitlines()) == 2, done.error
    for word in ("Not sent", "$0.0020", "$0 ", f"ClaudeMagics.{setting}", "-m haiku"):
        assert word in done.error, (word, done.error)
    assert asked(model) == [] and ledger(tmp_path) == []
    assert ask(kernel, "Why?", "-m haiku").ok, "the cheaper way that it named"
    assert kernel.value("len(claude.turns)") == 1
    kernel.run(f"%config ClaudeMagics.{setting} = None")
    assert ask(kernel, "Why?", "-m opus").ok


def test_the_answer_is_shortened_to_what_is_left(
    start: Callable[..., Kernel], model: demo.DemoServer
) -> None:
    kernel = start(budget="0.05")
    assert ask(kernel, "Why?").ok
    (body,) = asked(model)
    rate = Decimal("0.05") / body["max_tokens"]
    assert 1024 <= body["max_tokens"] < 16000
    assert rate >= Decimal(10) / 1_000_000, "the longest answer would pass the budget"


def test_from_80_percent_on_the_answer_says_so(start: Callable[..., Kernel]) -> None:
    kernel = start()
    spent = Decimal(facts(ask(kernel, "Why? demo:long 6000"))["cost"])
    kernel.run(f"%config ClaudeMagics.notebook_budget = {spent * 2}")
    assert "budget spent" not in json.dumps(facts(ask(kernel, "And?", "--once")))
    kernel.run(f"%config ClaudeMagics.notebook_budget = {spent + Decimal('0.012')}")
    assert "% of this notebook's" in json.dumps(facts(ask(kernel, "And then?", "--once")))


def test_a_budget_that_ends_between_two_rounds_keeps_what_came_and_its_price(
    start: Callable[..., Kernel], model: demo.DemoServer, tmp_path: Path
) -> None:
    kernel = start(budget="0.0125")
    kernel.run("def weather(city: str) -> str:\n    'The weather of a city.'\n    return 'rain ' * 3000")
    done = ask(kernel, "The weather in Paris?", "-t weather")
    assert done.error_name == "BudgetError" and len(asked(model)) == 1
    (row,) = ledger(tmp_path)
    assert facts(done)["cost"] == row["cost_usd"] and facts(done)["complete"] is False
    kernel.run("%config ClaudeMagics.budget = None")
    assert ask(kernel, "And now?").ok, "the history is still valid"


def test_kernels_share_the_day_and_copies_do_not_share_a_notebook(
    start: Callable[..., Kernel], model: demo.DemoServer
) -> None:
    first = start(daily_budget="1", notebook_budget="1")
    spent = Decimal(facts(ask(first, "Why? demo:long 800", "--max-tokens 2000"))["cost"])
    limit = str(spent + Decimal("0.0001"))
    here, copy, other_day = (
        start(notebook_budget=limit),
        start("copy.ipynb", notebook_budget=limit),
        start(daily_budget=limit),
    )
    model.requests.clear()
    assert ask(here, "And?").error_name == "BudgetError"
    assert ask(other_day, "And?").error_name == "BudgetError"
    assert asked(model) == []
    assert ask(copy, "And?", "--max-tokens 200 -m haiku").ok


SETTINGS = "get_ipython().find_line_magic('claude').__self__"


@pytest.mark.parametrize("value", ["-1", "'abc'", "float('nan')", "float('inf')", "0"])
def test_a_wrong_budget_is_refused_and_changes_nothing(value: str, module_kernel: Kernel) -> None:
    for setting in ("budget", "notebook_budget", "daily_budget"):
        told = module_kernel.run(f"%config ClaudeMagics.{setting} = {value}").stderr
        assert setting in told and len(told.strip().splitlines()) == 1, told
        assert module_kernel.value(f"{SETTINGS}.{setting}") is None


@pytest.mark.parametrize("value", ["-1", "'abc'", "float('nan')"])
def test_a_wrong_amount_to_ask_above_changes_nothing(value: str, module_kernel: Kernel) -> None:
    assert "confirm_above" in module_kernel.run(f"%config ClaudeMagics.confirm_above = {value}").stderr
    assert module_kernel.value(f"{SETTINGS}.confirm_above") == 1.0


@pytest.mark.parametrize(
    ("table", "word"),
    [("{'x': {'input': 3}}", "output"), ("{'x': 3}", "input"), ("{'x': {'input': -1, 'output': 2}}", "-1")],
)
def test_a_price_table_that_lacks_something_is_refused(table: str, word: str, module_kernel: Kernel) -> None:
    told = module_kernel.run(f"%config ClaudeMagics.prices = {table}").stderr
    assert word in told and len(told.strip().splitlines()) == 1, told
    assert module_kernel.value(f"{SETTINGS}.prices") == {}


def test_a_price_that_is_not_known_is_said_and_refused_under_a_budget(
    fresh_kernel: Callable[..., Kernel], server: RawServer
) -> None:
    kernel, line = fresh_kernel(), "-m claude-nova-1-0"
    server.reset(answer("Yes.", model="claude-nova-1-0"))
    assert facts(ask(kernel, "Why?", line))["cost"] is None
    assert "unknown" in report(kernel.run("%claude_cost --by model"))
    kernel.run("%config ClaudeMagics.budget = 5")
    assert_one_clear_line(ask(kernel, "Why?", line), "not known", "prices")
    assert len(server.requests) == 1
    kernel.run("%config ClaudeMagics.prices = {'claude-nova-1-0': {'input': 3, 'output': 15}}")
    assert facts(ask(kernel, "Why?", line))["cost"] == "0.000045"
    kernel.run(
        "import sqlite3, os; db = sqlite3.connect(os.environ['CLAUDE_JUPYTER_DATA_DIR'] + '/ledger.db')"
    )
    dates = kernel.value("[row[0] for row in db.execute('SELECT price_date FROM calls ORDER BY at, rowid')]")
    assert dates[-1] == "own" and dates[0].startswith("20")


def test_without_cell_ids_the_bill_is_by_turn(start: Callable[..., Kernel]) -> None:
    kernel = start()
    ask(kernel, "One?")
    ask(kernel, "Two?")
    told = report(kernel.run("%claude_cost"))
    assert "main · 1" in told and "main · 2" in told and "outside" not in told
    assert "outside of cells" in report(kernel.run("%claude_cost --by cell"))


def test_the_ledger_and_whose_it_is_can_be_said_later(start: Callable[..., Kernel], tmp_path: Path) -> None:
    kernel = start(user="ada")
    ask(kernel, "One?")
    kernel.run(f"%config ClaudeMagics.ledger = {str(tmp_path / 'second.db')!r}")
    ask(kernel, "Two?")
    assert "this kernel $0.00" in report(kernel.run("%claude_cost"))
    kernel.run("%config ClaudeMagics.user = 'grace'")
    ask(kernel, "Three?")
    assert [row["user"] for row in ledger(tmp_path)] == ["ada"]
    with contextlib.closing(sqlite3.connect(tmp_path / "second.db")) as db:
        assert [row[0] for row in db.execute("SELECT user FROM calls ORDER BY at, rowid")] == ["ada", "grace"]


# -- asking first --------------------------------------------------------------------------------------------------------


def test_a_dear_question_asks_first(
    start: Callable[..., Kernel], model: demo.DemoServer, tmp_path: Path
) -> None:
    kernel = start(confirm_above="0.01")
    done = ask(kernel, "Why?", cell_id="a", stdin=["n"])
    (question,) = done.asked
    assert re.search(r"\$0\.0\d+ to \$0\.1\d+", question) and "Send it?" in question
    assert_one_clear_line(done, "Nothing was spent")
    assert asked(model) == [] and ledger(tmp_path) == []
    done = ask(kernel, "Why?", cell_id="a", stdin=["y"])
    assert done.ok and len(asked(model)) == 1
    assert ask(kernel, "Why?", "--max-tokens 500", cell_id="b", stdin=[]).ok, "a cheap one does not ask"


def test_where_nobody_can_answer_it_is_refused_with_the_line_that_allows_it(
    start: Callable[..., Kernel], model: demo.DemoServer
) -> None:
    kernel = start(confirm_above="0.01")
    done = ask(kernel, "Why?")
    assert_one_clear_line(done, "%config ClaudeMagics.confirm_above")
    (allows,) = re.findall(r"`(%config [^`]+)`", done.error)
    assert asked(model) == []
    assert kernel.run(allows).ok and ask(kernel, "Why?").ok


def test_many_rows_are_asked_about_as_a_whole(start: Callable[..., Kernel], model: demo.DemoServer) -> None:
    kernel = start(confirm_above="0.01")
    line = "out = claude.map(list(range(400)), 'Say {value}', max_tokens=100)"
    assert_one_clear_line(kernel.run(line), "8 of 400 rows cost $0.0", "confirm_above")
    assert len(asked(model)) == 8
    said_no = kernel.run(line, cell_id="a", stdin=["n"])
    assert re.search(r"rows cost \$0\.\d+: the other \d+ will cost about \$0\.\d+", said_no.asked[0])
    assert kernel.run(line, cell_id="a", stdin=["y"]).ok and len(asked(model)) == 400


def test_a_dry_run_and_a_count_cost_nothing(
    start: Callable[..., Kernel], model: demo.DemoServer, tmp_path: Path
) -> None:
    kernel = start(budget="0.0001")
    assert ask(kernel, "Why?", "--dry-run").ok
    tokens = kernel.value(
        "((c := claude.count('Why?', 'a text ' * 500)).tokens, c.exact, str(c.price), str(c.most))"
    )
    assert tokens[1] is True and Decimal(tokens[2]) < Decimal(tokens[3])
    assert asked(model) == [] and ledger(tmp_path) == []


def test_a_question_that_was_paid_for_before_gets_one_hint(start: Callable[..., Kernel]) -> None:
    kernel = start()
    told = [json.dumps(facts(ask(kernel, "Why?", "-n"))) for _ in range(3)]
    assert ["Asked before" in text for text in told] == [False, True, False]


# -- reconciliation ------------------------------------------------------------------------------------------------------

RANDOM = """
import random
from concurrent.futures import ThreadPoolExecutor
from claude_jupyter.errors import ClaudeError
r = random.Random(SEED)
def weather(city: str) -> str:
    "The weather of a city."
    if r.random() < .2: raise ValueError("no such city")
    return "rain " * r.randrange(400)
failed = 0
def one():
    chat = claude.chat(r.choice(["main", "a", "b"]))
    how = dict(model=r.choice([None, None, "haiku", "opus"]))
    words = "word " * r.choice([3, 30, 3000])
    kind = r.choice("plain plain tool tool stop cut fail error busy short refuse map think web many".split())
    if kind == "stop":
        with chat.stream(words + "demo:long 900 demo:slow 0.02", **how) as stream:
            for n, _ in enumerate(stream):
                if n == 3: break
    elif kind == "map":
        chat.map(["x", "y", "z"], "Say {value} " + words, **how)
    elif kind == "many":
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda n: "".join(chat.stream(f"{n} {words}")), range(3)))
    elif kind == "tool":
        chat.ask("The weather in Paris and Rome? " + words, tool=[weather], **how)
    elif kind == "web":
        chat.ask("Look it up. " + words, web=True, **how)
    else:
        orders = {"error": "error 400", "busy": "error 529 retry-after=0 times=1", "think": "think 0", "short": "long 900"}
        order = "" if kind == "plain" else "demo:" + orders.get(kind, kind)
        chat.ask(words + order, max_tokens=100 if kind == "short" else None, **how)
    if r.random() < .1: chat.undo()
    if r.random() < .1: chat.clear()
"""


def test_the_ledger_adds_up_to_what_the_service_counted(
    start: Callable[..., Kernel], model: demo.DemoServer, tmp_path: Path
) -> None:
    kernel = start(confirm_above="1000")
    assert kernel.run(RANDOM.replace("SEED", "7")).ok
    while len(asked(model)) < CALLS:
        done = kernel.run(
            "for _ in range(10):\n    try: one()\n    except ClaudeError as error: failed += 1", timeout=300
        )
        assert done.ok, done.error
    rows = {row["request_id"]: row for row in ledger(tmp_path) if row["request_id"]}
    came = {r.request_id: r for r in model.requests if r.path == "/v1/messages"}
    # A refusal before any output is not billed, though its tokens are told (platform.claude.com, "Handling stop reasons").
    declined = {key for key, row in rows.items() if row["stop_reason"] == "refusal"}
    counted = {k: priced(r) for k, r in came.items() if r.usage.total and k not in declined}
    assert set(counted) <= set(rows), "a request that was billed is not in the ledger"
    bounds = {key for key, row in rows.items() if row["estimated"]}
    recorded = {key: Decimal(row["cost_usd"]) for key, row in rows.items()}
    assert {
        k: (usd, recorded[k]) for k, usd in counted.items() if k not in bounds and usd != recorded[k]
    } == {}
    exact = sum(usd for key, usd in counted.items() if key not in bounds)
    assert exact == sum(usd for key, usd in recorded.items() if key not in bounds)
    for key in bounds:  # a lower bound is one: never more than what the service counted
        assert recorded[key] <= counted[key] and not rows[key]["complete"]
    assert {r.status for r in came.values()} >= {200, 400, 529}
    assert declined and len(bounds) >= 3 and any(row["web_searches"] for row in rows.values())
    reasons = Counter(rows[key]["stop_reason"] for key in bounds)
    print(f"{len(came)} requests, ${exact} exact; lower bounds: {dict(reasons)}")


def priced(request: demo.Received) -> Decimal:
    """What the service would bill for a request."""
    usd = price(request.usage, request.body["model"])
    assert usd is not None
    return usd

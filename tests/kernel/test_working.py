"""Claude works in cells, in a real kernel: what it proposes waits, what has run is told, and all of it can be taken back."""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.kernel import ANSWER, Execution, Kernel, running_kernel
from support.kernel_fixtures import LOAD, environment

from claude_jupyter.demo import server as demo
from claude_jupyter.demo.script import Call, Script

SETUP = f"""{LOAD}
import pandas as pd
sales = pd.DataFrame({{"region": ["North", "South"], "amount": [10, 20]}})
"""
COUNT = itertools.count(1)


def proposal(title: str, code: str) -> Script:
    return Script(text=f"Next: {title}.", calls=[Call("run_cell", {"title": title, "code": code})])


class Model:
    """A scripted model: its replies in order."""

    def __init__(self) -> None:
        self.replies: list[Script] = []
        self.server = demo.start(lambda _body: self.replies.pop(0))

    def says(self, *steps: str | tuple[str, str] | Script) -> None:
        """Each step a proposal (title, code), or a closing text."""
        self.replies = [
            step
            if isinstance(step, Script)
            else Script(text=step)
            if isinstance(step, str)
            else proposal(*step)
            for step in steps
        ]

    def told(self) -> Sequence[Any]:
        """The blocks of the newest message."""
        return self.server.requests[-1].body["messages"][-1]["content"]

    def result(self) -> str:
        """The text of the newest tool result."""
        content = next(b for b in self.told() if b["type"] == "tool_result")["content"]
        return (
            content
            if isinstance(content, str)
            else "\n".join(b["text"] for b in content if b["type"] == "text")
        )


@pytest.fixture(scope="module")
def _model() -> Iterator[Model]:
    model = Model()
    with model.server:
        yield model


@pytest.fixture(scope="module")
def _kernel(tmp_path_factory: pytest.TempPathFactory, _model: Model) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("work")
    with running_kernel(folder, environment(_model.server.url), SETUP) as kernel:
        yield kernel


@pytest.fixture
def model(_model: Model) -> Model:
    _model.server.requests.clear()
    return _model


@pytest.fixture
def kernel(_kernel: Kernel, model: Model) -> Kernel:
    done = _kernel.run(
        "claude.clear()\nsales = pd.DataFrame({'region': ['North', 'South'], 'amount': [10, 20]})"
    )
    assert done.ok, done.error
    return _kernel


def cell(kernel: Kernel, code: str, name: str | None = None, **how: Any) -> Execution:
    """Run a notebook's cell: with an id, as JupyterLab does."""
    return kernel.run(code, cell_id=name or f"cell-{next(COUNT)}", **how)


def proposed(done: Execution) -> str:
    """The source that was put below, as the next input."""
    payloads = [p for p in done.reply.get("payload", ()) if p["source"] == "set_next_input"]
    return payloads[-1]["text"] if payloads else ""


def steps(done: Execution) -> list[dict[str, Any]]:
    return [b for b in done.answer[ANSWER]["blocks"] if b["type"] == "step"]


def test_a_step_waits_runs_and_is_commented_below_its_result(kernel: Kernel, model: Model) -> None:
    model.says(("total", "total = sales['amount'].sum()\ntotal"), "The total is 30.")
    asked = cell(kernel, "%%claude --do sales\nWhat is the total?")
    assert asked.ok, (asked.error, asked.stderr)
    assert proposed(asked) == "# Claude: total\ntotal = sales['amount'].sum()\ntotal"
    assert "reads sales · adds total" in str(asked.bundles)
    assert {t["name"] for t in model.server.requests[-1].body["tools"]} >= {"run_cell", "variables", "query"}
    assert kernel.value("'total' in globals()") is False
    ran = cell(kernel, proposed(asked), "step-1")
    assert ran.ok and "30" in str(ran.outputs[0])
    assert "The total is 30." in ran.answer["text/markdown"]
    (step,) = steps(ran)
    assert (step["approval"], step["cell"], step["changed"]["added"]) == ("run", "step-1", {"total": "int64"})
    assert "30" in model.result() and "new: total" in model.result()
    assert not proposed(ran)


def test_what_was_edited_is_told(kernel: Kernel, model: Model) -> None:
    model.says(("mean", "m = sales.amount.mean()"), "Fine.")
    asked = cell(kernel, "%%claude --do sales\nMean?")
    ran = cell(kernel, proposed(asked).replace("mean()", "median()"))
    assert steps(ran)[0]["approval"] == "edited"
    assert "median()" in model.result() and "edited" in model.result()


def test_a_cell_that_fails_is_corrected(kernel: Kernel, model: Model) -> None:
    model.says(("sum", "sales['amuont'].sum()"), ("sum again", "sales['amount'].sum()"), "30.")
    asked = cell(kernel, "%%claude --do sales\nSum?")
    failed = cell(kernel, proposed(asked))
    assert not failed.ok and steps(failed)[0]["error"] == "KeyError"
    assert "KeyError" in model.result()
    # No frontend has to take the next input of a cell that failed.
    assert f"```python\n{proposed(failed)}\n```" in str(failed.bundles[-1]["text/markdown"])
    assert "```" not in str(asked.bundles[-1]["text/markdown"])
    fixed = cell(kernel, proposed(failed))
    assert fixed.ok and "30." in str(fixed.bundles[-1])


def test_a_cell_that_failed_leaves_nothing_behind_once_it_is_corrected(kernel: Kernel, model: Model) -> None:
    bad = "half = 1\nsales.drop(columns='region', inplace=True)\nsales['region']"
    model.says(("drop", bad), ("drop again", "columns = list(sales.columns)"), "Done.")
    failed = cell(kernel, proposed(cell(kernel, "%%claude --do sales\nDrop.")))
    assert "propose the whole cell" in model.result()
    assert kernel.value("list(sales.columns)") == ["amount"]
    cell(kernel, proposed(failed))
    assert kernel.value("(columns, 'half' in globals())") == (["region", "amount"], False)


def test_what_the_user_did_after_a_failure_stays(kernel: Kernel, model: Model) -> None:
    model.says(("bad", "half = 1\n1 / 0"), ("good", "whole = 1"), "Done.")
    failed = cell(kernel, proposed(cell(kernel, "%%claude --do\nGo.")))
    cell(kernel, "mine = 1")
    cell(kernel, proposed(failed))
    assert kernel.value("(mine, half, whole)") == (1, 1, 1)


def test_an_answer_in_words_instead_of_running(kernel: Kernel, model: Model) -> None:
    model.says(("mean", "m1 = sales.amount.mean()"), ("median", "m2 = sales.amount.median()"), "Done.")
    cell(kernel, "%%claude --do sales\nMiddle?")
    answered = cell(kernel, "%claude no, use the median")
    assert "use the median" in model.result() and "did not run" in model.result()
    assert steps(answered)[0]["approval"] == "skipped"
    ran = cell(kernel, proposed(answered))
    assert kernel.value("('m1' in globals(), 'm2' in globals())") == (False, True) and ran.ok


def test_without_a_person_harmless_cells_run_and_others_end_the_work(kernel: Kernel, model: Model) -> None:
    model.says(
        ("total", "total2 = sales.amount.sum()\nprint('total', total2)"), ("write", "sales.to_csv('out.csv')")
    )
    done = kernel.run("%%claude --do auto sales\nSum and write.")
    assert "total 30" in done.stdout and kernel.value("int(total2)") == 30
    assert "needs your approval" in done.stderr and "writes out.csv" in done.stderr
    assert kernel.value("__import__('os').path.exists('out.csv')") is False
    assert any("total2 = sales" in str(b.get("text/markdown")) for b in done.bundles)


def test_without_a_person_claude_is_told_the_last_value_of_a_step(kernel: Kernel, model: Model) -> None:
    model.says(
        ("top", "best = sales.amount.max()\nsales.nlargest(1, 'amount')"), ("number", "best + 1"), "Done."
    )
    done = kernel.run("%%claude --do auto sales\nWhich is best?")
    assert done.ok, done.error
    results = [
        str(block["content"])
        for request in model.server.requests
        for block in request.body["messages"][-1]["content"]
        if block["type"] == "tool_result"
    ]
    assert "South" in results[0] and "21" in results[1]
    assert not any("```python" in text for text in results)


def test_undo_brings_the_variables_back_and_names_what_it_cannot(kernel: Kernel, model: Model) -> None:
    model.says(
        ("drop", "sales.drop(columns='region', inplace=True)\nextra = 1"),
        ("write", "sales.to_csv('out2.csv')"),
        "Done.",
    )
    asked = cell(kernel, "%%claude --do sales\nClean.")
    first = cell(kernel, proposed(asked), "step-a")
    cell(kernel, proposed(first), "step-b")
    assert kernel.value("list(sales.columns)") == ["amount"]
    assert "sales" in cell(kernel, "print(claude.changed)").stdout
    undone = cell(kernel, "claude.undo();")
    assert "Undone: extra, sales" in undone.stdout and "out2.csv" in undone.stdout
    assert kernel.value("(list(sales.columns), 'extra' in globals(), len(claude.turns))") == (
        ["region", "amount"],
        False,
        0,
    )


def test_undo_brings_a_name_back_that_was_bound_again(kernel: Kernel, model: Model) -> None:
    kernel.run("def numbers():\n    yield from (1, 2)\nrows, stream = numbers(), numbers()")
    model.says(("again", "rows = [3]"), ("use", "first = next(stream)"), "Done.")
    asked = cell(kernel, "%%claude --do\nBind and use.")
    assert "changes rows." in str(asked.bundles)
    again = cell(kernel, proposed(asked))
    assert "cannot be undone: stream" in str(again.bundles)
    cell(kernel, proposed(again))
    undone = cell(kernel, "claude.undo();")
    assert undone.stdout.strip() == "Undone: first, rows and 2 cells. Cannot be undone: stream."
    assert kernel.value("(next(rows), next(stream))") == (1, 2)


def test_undo_after_an_edit_and_a_skip_says_what_the_edited_cell_did(kernel: Kernel, model: Model) -> None:
    model.says(("one", "e1 = 1"), ("two", "e2 = 2"), ("three", "e3 = 3"), "Done.")
    edited = proposed(cell(kernel, "%%claude --do\nGo.")) + "\nopen('edited.txt', 'w').close()"
    skipped = cell(kernel, edited)
    cell(kernel, proposed(cell(kernel, "%claude no")))
    assert proposed(skipped)
    assert cell(kernel, "claude.undo(steps=2);").stdout.strip() == (
        "Undone: e1, e3 and 2 cells. Cannot be undone: edited.txt."
    )


def test_undo_of_the_last_step_alone(kernel: Kernel, model: Model) -> None:
    model.says(("one", "u1 = 1"), ("two", "u2 = 2"), "Done.")
    first = cell(kernel, proposed(cell(kernel, "%%claude --do\nTwo steps.")))
    cell(kernel, proposed(first))
    cell(kernel, "claude.undo(steps=1);")
    assert kernel.value("('u1' in globals(), 'u2' in globals(), len(claude.turns))") == (True, False, 2)


@pytest.mark.parametrize(
    ("moved", "answer"),
    [
        (["mine", "first", "ask", "second"], "run"),
        (["second", "mine", "ask", "first"], "run"),
        (["mine", "second", "first", "ask"], "run"),
        (["mine", "first", "second"], "run"),
        (["words", "mine", "ask", "first", "second"], "words"),
        (["first", "words", "ask", "second"], "words"),
    ],
)
def test_a_work_keeps_its_question_and_steps_where_their_cells_were_moved(
    kernel: Kernel, model: Model, moved: list[str], answer: str
) -> None:
    model.says("Aside.", ("one", "m1 = 1"), ("two", "m2 = 2"), "Done.", "Still here.")
    cell(kernel, "%claude Aside?", "mine", cells=["mine"])
    asked = cell(kernel, "%%claude --do\nThe question.", "ask", cells=["mine", "ask"])
    first = cell(kernel, proposed(asked), "first", cells=["mine", "ask", "first"])
    if answer == "words":
        cell(kernel, "%claude no, the mean", "words", cells=moved)
        assert "no, the mean" in model.result()
    else:
        done = cell(kernel, proposed(first), "second", cells=moved)
        assert done.ok and "Done." in str(done.bundles[-1]), done.stderr
        assert 'label="step 2"' in model.result()
    *earlier, _ = model.server.requests[-1].body["messages"]
    said = [b for m in earlier for b in m["content"] if b["type"] != "tool_result"]
    assert [b["input"]["title"] for b in said if b["type"] == "tool_use"] == ["one", "two"]
    assert any("The question." in b.get("text", "") for b in said)
    below = cell(kernel, "%claude and now?", "below", cells=[*moved, "below"])
    assert "Still here." in str(below.bundles[-1]) or "Done." in str(below.bundles[-1]), below.stderr


def test_other_questions_in_between_and_a_late_run(kernel: Kernel, model: Model) -> None:
    model.says(("late", "late = 1"), "Another chat.", "I see.")
    asked = cell(kernel, "%%claude --do\nStep.")
    cell(kernel, "%%claude --once\nSomething else?")
    ran = cell(kernel, proposed(asked))
    assert ran.ok and "I see." in str(ran.bundles[-1]), ran.stderr


@pytest.mark.parametrize("cut", [1, 250, 400])
def test_a_work_that_a_lost_connection_broke_off_goes_on_with_resume(
    kernel: Kernel, model: Model, cut: int
) -> None:
    broken = proposal("two", "b2 = 2")
    model.says(("one", "b1 = 1"), replace(broken, cut=cut), ("two", "b2 = 2"), "Done.", "Still here.")
    first = cell(kernel, proposed(cell(kernel, "%%claude --do --rows none sales\nGo.", "ask")), "first")
    assert first.ok and "claude.resume()" in first.stderr and "Run the cell again" not in first.stderr
    again = cell(kernel, "claude.resume();")
    assert again.ok, again.error
    last = cell(kernel, proposed(again), "second")
    assert "Done." in str(last.bundles[-1]), last.stderr
    assert kernel.value("(b1, b2)") == (1, 2)
    told = [b for m in model.server.requests[-1].body["messages"] for b in m["content"]]
    assert sum("step 1" in str(b.get("content")) for b in told) == 1
    assert "Undone: b1, b2 and 2 cells" in cell(kernel, "claude.undo(steps=2);").stdout
    assert "Still here." in str(cell(kernel, "%claude and now?").bundles[-1])


def test_words_that_did_not_reach_claude_leave_the_cell_waiting(kernel: Kernel, model: Model) -> None:
    model.says(("mean", "v1 = 1"), Script(status=400, error="No."), ("median", "v2 = 2"), "Done.")
    asked = cell(kernel, "%%claude --do\nMiddle?")
    refused = cell(kernel, "%claude no, the median", "words")
    assert not refused.ok and not proposed(refused)
    median = cell(kernel, "%claude no, the median", "words")
    assert steps(median)[0]["approval"] == "skipped" and "the median" in model.result()
    assert cell(kernel, proposed(median)).ok and kernel.value("'v1' in globals()") is False
    assert proposed(asked) != proposed(median)


def test_words_keep_the_options_of_the_work(kernel: Kernel, model: Model) -> None:
    kernel.run("hidden = pd.DataFrame({'who': ['canary-1', 'canary-2']})")
    model.says(
        ("one", "o1 = 1"), Script(calls=[Call("show", {"expression": "hidden"})]), ("two", "o2 = 2"), "Done."
    )
    cell(kernel, "%%claude --do --rows none --effort low hidden\nLook.")
    answered = cell(kernel, "%claude no, look at hidden first")
    assert proposed(answered), answered.stderr
    assert not any("canary" in str(r.body) for r in model.server.requests)
    efforts = [r.body["output_config"]["effort"] for r in model.server.requests if r.path == "/v1/messages"]
    assert set(efforts) == {"low"}


def test_undo_after_the_answer_to_a_step_was_stopped(kernel: Kernel, model: Model) -> None:
    model.says(("one", "s1 = 1"), Script(text=["Well, ", *["so "] * 400], pace=0.05))
    running = kernel.start(proposed(cell(kernel, "%%claude --do\nGo.")), cell_id="stopped")
    running.wait_for(lambda messages: any("so so" in str(m.content) for m in messages))
    kernel.interrupt()
    assert "Stopped" in running.finish().stderr
    assert "Undone: s1 and 1 cell" in cell(kernel, "claude.undo();").stdout
    assert kernel.value("('s1' in globals(), len(claude.turns))") == (False, 0)


def test_two_works_in_two_chats_do_not_mix(kernel: Kernel, model: Model) -> None:
    model.says(("a", "aa = 1"), ("b", "bb = 2"), "B done.", "A done.")
    one = cell(kernel, "%%claude --do -c left\nA.")
    two = cell(kernel, "%%claude --do -c right\nB.")
    assert "B done." in str(cell(kernel, proposed(two)).bundles[-1])
    assert "A done." in str(cell(kernel, proposed(one)).bundles[-1])


def test_a_cell_that_runs_again_is_an_ordinary_cell(kernel: Kernel, model: Model) -> None:
    model.says(("x", "xx = 1"), "Done.")
    source = proposed(cell(kernel, "%%claude --do\nX."))
    cell(kernel, source, "again")
    count = len(model.server.requests)
    assert cell(kernel, source, "again").ok and len(model.server.requests) == count


def test_pictures_and_await_and_magics(kernel: Kernel, model: Model) -> None:
    code = "%matplotlib inline\nimport matplotlib.pyplot as plt\nplt.plot([1, 2]);"
    model.says(("plot", code), ("await", "import asyncio\nawait asyncio.sleep(0)\n%time y9 = 5"), "Done.")
    plotted = cell(kernel, proposed(cell(kernel, "%%claude --do\nPlot.")))
    block = next(b for b in model.told() if b["type"] == "tool_result")
    assert any(b["type"] == "image" for b in block["content"])
    assert cell(kernel, proposed(plotted)).ok and kernel.value("y9") == 5


def test_the_ledger_has_a_row_for_each_request_and_the_history_is_valid(kernel: Kernel, model: Model) -> None:
    model.says(("x", "l1 = 1"), ("y", "l2 = 1/0"), "Done.")
    first = cell(kernel, proposed(cell(kernel, "%%claude --do\nX.")))
    cell(kernel, proposed(first))
    assert len(model.server.requests) == 3
    assert kernel.value("[len(t.messages) for t in claude.turns]") == [2, 2, 2]
    model.says("Still here.")
    assert "Still here." in str(cell(kernel, "%claude and now?").bundles[-1])


def test_under_rows_none_nothing_of_a_step_leaves(kernel: Kernel, model: Model) -> None:
    kernel.run("secret = pd.DataFrame({'who': ['canary-1', 'canary-2']})")
    model.says(("look", "print(secret.who[0])\nsecret"), ("fail", "raise ValueError(secret.who[1])"), "Done.")
    first = cell(kernel, proposed(cell(kernel, "%%claude --do --rows none secret\nLook.")))
    cell(kernel, proposed(first))
    assert not any("canary" in str(r.body) for r in model.server.requests)
    assert "ValueError" in model.result()


@pytest.mark.parametrize("step", [1, 2])
def test_the_interrupt_button_ends_the_work_and_keeps_everything(
    kernel: Kernel, model: Model, step: int
) -> None:
    slow = ("slow", "import time\nkept = 1\ntime.sleep(30)")
    model.says(*[("quick", "q = 1")] * (step - 1), slow)
    source = proposed(cell(kernel, "%%claude --do\nWait."))
    for _ in range(step - 1):
        source = proposed(cell(kernel, source))
    running = kernel.start(source, cell_id=f"slow-{step}")
    running.wait_for(lambda messages: any(m.type == "execute_input" for m in messages))
    time.sleep(0.5)
    kernel.interrupt()
    done = running.finish()
    assert not done.ok and "Stopped" in done.stderr
    assert kernel.value("kept") == 1
    model.says("Going on.")
    assert "Going on." in str(cell(kernel, "%claude go on").bundles[-1])


COUNT_FILES = """
import os, threading
looked_up, realpath = [], os.path.realpath
def counted(path, *args, **kwargs):
    if threading.current_thread() is threading.main_thread():
        looked_up.append(path)
    return realpath(path, *args, **kwargs)
os.path.realpath = counted
for thread in threading.enumerate():
    if thread.name == "claude-tracebacks":
        thread.join()
"""


@pytest.mark.parametrize(
    "slow", ["import time\ntime.sleep(30)", "import asyncio\nawait asyncio.sleep(30)"], ids=["sleep", "await"]
)
def test_the_first_stop_of_a_kernel_does_not_look_at_each_module(
    model: Model, tmp_path: Path, slow: str
) -> None:
    model.says(("slow", slow))
    with running_kernel(tmp_path, environment(model.server.url), SETUP) as kernel:
        source = proposed(cell(kernel, "%%claude --do\nWait."))
        kernel.run(COUNT_FILES)
        running = kernel.start(source, cell_id="slow")
        running.wait_for(lambda messages: any(m.type == "execute_input" for m in messages))
        time.sleep(0.5)
        kernel.interrupt()
        done = running.finish()
        assert not done.ok and "Stopped" in done.stderr
        assert kernel.value("len(looked_up) < len(__import__('sys').modules) / 20")


def test_endless_recursion_does_not_look_at_all_modules_for_each_frame(kernel: Kernel, model: Model) -> None:
    model.says(("deep", "def deep(n): return deep(n + 1)\ndeep(0)"), "Done.")
    source = proposed(cell(kernel, "%%claude --do\nGo deep."))
    kernel.run(
        "import inspect, sys\nasked, limit, ismodule = [], sys.getrecursionlimit(), inspect.ismodule\n"
        "sys.setrecursionlimit(200)\ninspect.ismodule = lambda value: asked.append(1) or ismodule(value)"
    )
    failed = cell(kernel, source)
    kernel.run("sys.setrecursionlimit(limit)\ninspect.ismodule = ismodule")
    assert failed.error_name == "RecursionError" and "Done." in str(failed.bundles[-1])
    assert kernel.value("len(asked) < 10 * len(sys.modules)")


def test_the_costs_by_turn_show_the_steps_below_their_question(kernel: Kernel, model: Model) -> None:
    model.says("Before.", ("total", "c1 = 1"), "An aside.", ("mean", "c2 = 2"), "Done.")
    cell(kernel, "%claude first")
    first = proposed(cell(kernel, "%%claude --do\nGo."))
    cell(kernel, "%claude -c aside Aside?")
    cell(kernel, proposed(cell(kernel, first)))
    (table,) = cell(kernel, "%claude_cost --by turn --kernel").bundles
    lines = [line.split("  ")[0] for line in table["text/plain"].splitlines()]
    start = next(n for n, line in enumerate(lines) if line.endswith("↳ step 1: total"))
    assert lines[start + 1].endswith("↳ step 2: mean")
    assert "↳" not in lines[start - 1] and lines[start - 1].startswith("main · ")


def test_the_tools_of_an_mcp_server_are_offered_at_every_step(kernel: Kernel, model: Model) -> None:
    server = {
        "command": sys.executable,
        "args": [str(Path(__file__).parents[1] / "servers" / "odd_server.py")],
    }
    kernel.run(f"%config ClaudeMagics.mcp = {{'odd': {server}}}")
    model.says(("one", "m1 = 1"), Script(calls=[Call("odd__echo", {"text": "said again"})]), "Done.")
    asked = cell(kernel, "%%claude --do --mcp odd\nGo.")
    ran = cell(kernel, proposed(asked))
    assert "Done." in str(ran.bundles[-1]), ran.stderr
    assert "said again" in model.result()
    for request in model.server.requests:
        assert {t["name"] for t in request.body["tools"]} >= {"run_cell", "odd__echo"}


def test_a_finished_work_comes_back_with_restore(model: Model, tmp_path: Path) -> None:
    env = environment(
        model.server.url, CLAUDE_JUPYTER_DATA_DIR=str(tmp_path / "data"), JPY_SESSION_NAME="a.ipynb"
    )
    model.says(("total", "r1 = 1"), ("mean", "r2 = 2"), "Done.", "Still here.")
    with running_kernel(tmp_path, env, SETUP) as kernel:
        first = cell(kernel, proposed(cell(kernel, "%%claude --do\nGo.")))
        cell(kernel, proposed(first))
    with running_kernel(tmp_path, env, SETUP) as kernel:
        cell(kernel, "claude.restore();")
        assert kernel.value("[len(t.messages) for t in claude.turns]") == [2, 2, 2]
        assert kernel.value("[t.answer.blocks[0]['type'] for t in claude.turns]") == ["text", "step", "step"]
        assert "Still here." in str(cell(kernel, "%claude and now?").bundles[-1])
    sent = model.server.requests[-1].body["messages"]
    assert [b["name"] for m in sent for b in m["content"] if b["type"] == "tool_use"] == ["run_cell"] * 2


def test_recordings_answer_the_steps_and_the_first_that_differs_is_named(
    model: Model, tmp_path: Path
) -> None:
    def played(replay: str, second: str) -> tuple[Execution, int]:
        """The last cell of a work in a fresh kernel, and how often the model was asked."""
        env = environment(
            model.server.url, CLAUDE_JUPYTER_DATA_DIR=str(tmp_path / "data"), CLAUDE_JUPYTER_REPLAY=replay
        )
        model.server.requests.clear()
        with running_kernel(tmp_path, env, SETUP) as kernel:
            first = cell(kernel, proposed(cell(kernel, "%%claude --do\nGo.", "ask")), "first")
            done = cell(kernel, proposed(first).replace("g2 = 2", second), "second")
            return done, sum(r.path == "/v1/messages" for r in model.server.requests)

    model.says(("one", "g1 = 1"), ("two", "g2 = 2"), "Done.", "Done otherwise.")
    recorded, asked = played("auto", "g2 = 2")
    assert "Done." in str(recorded.bundles) and asked == 3
    same, asked = played("only", "g2 = 2")
    assert "Done." in str(same.bundles) and asked == 0
    refused, asked = played("only", "g2 = 3")
    assert "The outcome of step 2 (two) differs from the recording" in refused.stderr and asked == 0
    other, asked = played("auto", "g2 = 3")
    assert "The outcome of step 2 (two) differs from the recording" in str(other.bundles) and asked == 1
    assert "Done otherwise." in str(other.bundles)

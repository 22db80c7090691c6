"""After a restart the first answer says, in one line, that the notebook shows more than the conversation holds."""

from __future__ import annotations

import nbformat
import pytest
from support.asking import ask
from support.kernel import ANSWER, saved_outputs

LINE = "The earlier answers of this notebook are not in this conversation"


def notices(done) -> list[str]:
    """The notices of the answer that a cell shows."""
    return [
        b["text"]
        for b in done.answer[ANSWER]["blocks"]
        if b["type"] == "notice" and b["text"].startswith(LINE)
    ]


@pytest.fixture
def notebook(tmp_path, fresh_kernel):
    """A kernel's notebook with one answer in it, as saved before the kernel was restarted."""
    folder = tmp_path / "work"
    folder.mkdir()
    env = {"JPY_SESSION_NAME": str(folder / "a.ipynb")}
    first = fresh_kernel(env, folder=folder)
    done = ask(first, "The first question?", cell_id="first")
    outputs = [
        nbformat.from_dict({k: v for k, v in o.items() if k != "transient"})
        for o in saved_outputs(done.messages)
    ]
    cells = [
        nbformat.v4.new_code_cell("%%claude\nThe first question?", id="first", outputs=outputs),
        nbformat.v4.new_code_cell("%%claude\nThe second question?", id="second"),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "a.ipynb")
    return fresh_kernel(env, folder=folder)


def test_it_is_said_once_and_restore_brings_them_back(notebook, server):
    assert len(notices(ask(notebook, cell_id="second"))) == 1
    assert notices(ask(notebook, cell_id="second")) == []
    assert notebook.run("claude.restore()").ok
    assert ask(notebook, cell_id="third").ok
    assert "The first question?" in str(server.requests[-1].json["messages"][0])


def test_nothing_is_said_where_nothing_stands_above(notebook):
    assert notices(ask(notebook, cell_id="first")) == []
    assert notices(ask(notebook, cell_id="second")) == []


@pytest.mark.parametrize(
    "session", [{}, {"JPY_SESSION_NAME": "a.ipynb"}], ids=["unknown notebook", "not saved yet"]
)
@pytest.mark.parametrize("cell_id", ["second", None], ids=["cell", "no cell"])
def test_a_restarted_kernel_knows_what_it_was_asked_before(session, cell_id, fresh_kernel, server):
    kernel = fresh_kernel(session)
    assert ask(kernel, "The first question?", cell_id=cell_id and "first").ok
    kernel.restart()
    assert kernel.run("%load_ext claude_jupyter\nfrom claude_jupyter import claude").ok
    assert len(notices(ask(kernel, cell_id=cell_id))) == 1
    assert kernel.run("claude.restore();").ok
    assert kernel.value("[t.prompt for t in claude.turns][0]") == "The first question?"


def test_nothing_is_said_where_a_restarted_kernel_runs_its_first_cell_again(fresh_kernel, server):
    kernel = fresh_kernel()
    assert ask(kernel, cell_id="first").ok and ask(kernel, cell_id="second").ok
    kernel.restart()
    assert kernel.run("%load_ext claude_jupyter").ok
    assert notices(ask(kernel, cell_id="first")) == []
    assert notices(ask(kernel, cell_id="second")) == []


def test_nothing_is_said_of_a_question_outside_of_the_history(notebook):
    assert notices(ask(notebook, line="--once", cell_id="second")) == []

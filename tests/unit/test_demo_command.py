"""`claude-jupyter demo` and `check` as a new user meets them, short of starting JupyterLab."""

from __future__ import annotations

import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from claude_jupyter import __version__, check, cli
from claude_jupyter.demo import command as run
from claude_jupyter.demo.request_reader import read
from claude_jupyter.demo.statements.generated_code import code_for


def test_a_second_start_keeps_what_the_user_made_of_the_first(tmp_path: Path) -> None:
    first = run.copy_notebook(tmp_path / "claude-jupyter-demo")
    assert first.name == "quickstart.ipynb"
    assert (first.parent / "seattle-weather.csv").stat().st_size > 40_000
    assert run.copy_notebook(first.parent) == first
    first.write_text("my own work")
    second = run.copy_notebook(first.parent)
    assert (second.name, first.read_text()) == ("quickstart-2.ipynb", "my own work")
    assert run.copy_notebook(first.parent) == second
    (first.parent / "seattle-weather.csv").write_text("my own figures")
    run.copy_notebook(first.parent)
    assert (first.parent / "seattle-weather.csv").read_text() == "my own figures"


def test_root_is_told_how_to_start_what_jupyterlab_refuses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", shutil.which("true"))
    monkeypatch.setattr(os, "geteuid", lambda: 0, raising=False)
    lines: list[str] = []
    assert run.open_lab(lines.append) == 0
    assert lines[-1].endswith("claude-jupyter demo -- --allow-root")
    lines.clear()
    assert run.open_lab(lines.append, ["--allow-root"]) == 0
    assert "root" not in str(lines)


def test_the_demo_answers_only_where_nothing_else_is_set_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ, words = run.answering(tmp_path)
    assert environ["CLAUDE_JUPYTER_PROVIDER"] == "demo"
    assert "No Anthropic key was found" in words
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-secret")
    environ, words = run.answering(tmp_path)
    assert "CLAUDE_JUPYTER_PROVIDER" not in environ
    assert "ANTHROPIC_API_KEY in the environment" in words
    assert "secret" not in words
    monkeypatch.setenv("CLAUDE_JUPYTER_PROVIDER", "bedrock")
    assert run.answering(tmp_path)[1].startswith("bedrock answers")


def test_the_summary_counts_what_stands_in_the_notebook() -> None:
    def answer(cost: str | None, provider: str = "demo") -> dict[str, Any]:
        usage = {"input": 1000, "output": 50, "cache_read": 500, "cache_write_5m": 0, "cache_write_1h": 0}
        data = {run.MIME: {"usage": usage, "cost": cost, "provider": provider, "replayed": False}}
        return {"output_type": "display_data", "data": data}

    def book(*outputs: dict[str, Any]) -> dict[str, Any]:
        return {
            "cells": [
                {"cell_type": "markdown"},
                {"cell_type": "code", "execution_count": 1, "outputs": list(outputs)},
                {"cell_type": "code", "execution_count": 2, "outputs": []},
                {"cell_type": "code", "execution_count": None, "outputs": []},
            ]
        }

    assert run.summary(book(answer("0.0012"), answer("0.0030")), failed=True) == [
        "1 of 3 code cells ran, 2 questions were answered.",
        "3,000 tokens in (1,000 from the cache), 100 out.",
        "List price $0.0042 (demo, nothing billed).",
    ]
    assert run.summary(book(answer("0.0012", "anthropic")))[-1] == "List price $0.0012."
    assert run.summary(book(answer(None)))[-1] == "List price unknown (demo, nothing billed)."


def test_what_is_not_installed_is_named_in_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(run, "find_spec", lambda name: None if name == "jupyterlab" else object())
    assert cli.main(["demo"]) == 1
    assert capsys.readouterr().out == 'JupyterLab is not installed here: pip install "claude-jupyter[lab]"\n'
    assert not list(tmp_path.iterdir())


def test_the_command_line_says_its_version_and_helps(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["--version"])
    assert (left.value.code, capsys.readouterr().out) == (0, f"claude-jupyter {__version__}\n")
    assert cli.main([]) == 2
    assert "--execute" not in (text := capsys.readouterr().out)
    assert "demo" in text


def test_the_notebook_is_committed_clean_and_stable() -> None:
    book = json.loads((run.notebooks() / run.NOTEBOOK).read_text(encoding="utf-8"))
    assert book["metadata"]["kernelspec"]["name"] == "python3"
    ids = [cell["id"] for cell in book["cells"]]
    assert len(set(ids)) == len(ids)
    for cell in book["cells"]:
        if cell["cell_type"] == "code":
            assert not cell["outputs"]
            assert cell["execution_count"] is None


def test_check_takes_ten_lines_and_never_shows_a_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["check"]) == 1
    assert "!!  key        not found" in capsys.readouterr().out
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-secret")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", "https://user:hidden@gateway.example:8443/claude")
    assert cli.main(["check"]) == 0
    text = capsys.readouterr().out
    assert len(text.splitlines()) == 10
    assert "ANTHROPIC_API_KEY in the environment" in text
    assert "https://gateway.example:8443/claude" in text
    assert "secret" not in text
    assert "hidden" not in text


def test_check_names_a_wrong_setting(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLAUDE_JUPYTER_EFFORT", "huge")
    lines, status = check.main()
    assert status == 1
    assert "CLAUDE_JUPYTER_EFFORT=huge" in lines[-1]


def test_check_tries_the_teams_ledger_and_hides_its_password(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CLAUDE_JUPYTER_PROVIDER", "demo")
    monkeypatch.setenv("CLAUDE_JUPYTER_LEDGER", "postgresql+psycopg://ana:hidden@127.0.0.1:1/costs")
    lines, status = check.main()
    (line,) = [line for line in lines if "ledger" in line]
    assert status == 0
    assert line.startswith("--  ledger")
    assert "does not answer" in line
    assert "costs wait on this machine" in line
    assert "hidden" not in line
    monkeypatch.setenv("CLAUDE_JUPYTER_LEDGER", f"sqlite:///{tmp_path / 'costs.db'}")
    assert any(line.startswith("ok  ledger") for line in check.main()[0])


def test_check_reads_the_profile_that_the_kernel_will_read(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    (tmp_path / "profile_default").mkdir()
    (tmp_path / "profile_default" / "ipython_config.py").write_text(
        'c.ClaudeMagics.provider = "demo"\nc.ClaudeMagics.model = "haiku"\n'
    )
    lines, status = check.main()
    assert status == 0
    assert "ok  model      claude-haiku-5-5" in lines
    assert "ok  key        none needed: the embedded offline model answers" in lines


def test_a_ledger_that_cannot_be_written_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CLAUDE_JUPYTER_PROVIDER", "demo")
    monkeypatch.setenv("CLAUDE_JUPYTER_LEDGER", str(tmp_path / "no" / "such" / "ledger.db"))
    lines, status = check.main()
    assert status == 1
    assert any(line.startswith("!!  ledger") for line in lines)


PROFILE = """<attachment label="{label}" kind="dataframe">
pandas DataFrame: 1,461 rows × 4 columns

column | dtype | what is in it
when | datetime64[us] | 1,461 distinct
kind | str | 2 distinct, e.g. a (2), b (1)
a b | float64 | 3 distinct, 1 … 3
n | int64 | 3 distinct
</attachment>"""


def shown(label: str, prompt: str = "Look at n") -> Any:
    content = [{"type": "text", "text": PROFILE.format(label=label)}, {"type": "text", "text": prompt}]
    return read({"model": "claude-sonnet-5-5", "messages": [{"role": "user", "content": content}]})


def test_the_code_in_a_demo_answer_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import pandas as pd

    df = pd.DataFrame(
        {
            "when": pd.date_range("2026-01-30", periods=3),
            "kind": ["a", "b", "a"],
            "a b": [1.0, 2, 3],
            "n": [1, 2, 3],
        }
    )
    monkeypatch.chdir(tmp_path)
    df.to_csv("figures.csv", index=False)
    for label in ("df", "tables[0]", "figures.csv"):
        code = code_for(shown(label)).text
        assert '["n"]' in code
        *lines, last = code.splitlines()
        space: dict[str, Any] = {"df": df, "tables": [df]}
        exec("\n".join(lines), space)
        assert eval(last, space).to_dict() == {1: 1.5, 2: 3.0}
    assert code_for(shown("a drawing.png")) is None
    assert '"a b"' in code_for(shown("df", "the mean of a b?")).text


def test_a_misspelt_name_is_corrected_in_the_failing_cell() -> None:
    from claude_jupyter.content.cells.tracebacks import attach
    from claude_jupyter.content.rules import Rules

    def answer(cell: str, space: dict[str, Any]) -> str:
        try:
            exec(cell, space)
        except Exception as error:
            blocks = [
                *attach(error, "the last error", Rules(), cell=cell).blocks,
                {"type": "text", "text": "Why?"},
            ]
        return code_for(read({"model": "x", "messages": [{"role": "user", "content": blocks}]})).text

    assert answer("weather = 1\nprint(weathr)", {}) == "weather = 1\nprint(weather)"
    assert answer("x = 1\n\n1 / 0", {}) == "x = 1\n\n1 / 0"

"""`claude-jupyter demo --execute OUT.ipynb`: the quick start end to end, with a real kernel, no key and no browser."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from claude_jupyter.answer.codec import MIME
from claude_jupyter.demo import command as run


def demo(out: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "claude_jupyter.cli", "demo", "--execute", str(out)]
    return subprocess.run(command, cwd=out.parent, capture_output=True, text=True, timeout=300)


def test_the_quick_start_runs_without_a_key_and_says_what_it_cost(tmp_path: Path, data_dir: Path) -> None:
    done = demo(tmp_path / "out.ipynb")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("No Anthropic key was found, so the embedded offline demo model answers")
    book: dict[str, Any] = json.loads((tmp_path / "out.ipynb").read_text(encoding="utf-8"))
    cells = [cell for cell in book["cells"] if cell["cell_type"] == "code"]
    assert lines[1].startswith(f"{len(cells)} of {len(cells)} code cells ran")
    assert lines[3].endswith("(demo, nothing billed).")
    outputs = [output for cell in cells for output in cell["outputs"] if MIME in output.get("data", {})]
    assert len(outputs) >= 4
    for output in outputs:
        assert "offline demo model" in "".join(output["data"]["text/markdown"])
    assert "widgets" not in book["metadata"]
    assert str(Path.home()) not in json.dumps(book)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data", "out.ipynb"]


def test_a_cell_that_fails_makes_the_command_fail_and_is_kept(
    tmp_path: Path, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tmp_path / "notebooks"
    broken.mkdir()
    for name in (run.NOTEBOOK, *run.BESIDE):
        (broken / name).write_bytes((run.notebooks() / name).read_bytes())
    book = json.loads((broken / run.NOTEBOOK).read_text(encoding="utf-8"))
    book["cells"] = [*book["cells"][:2], {**book["cells"][1], "id": "broken", "source": "1 / 0"}]
    (broken / run.NOTEBOOK).write_text(json.dumps(book), encoding="utf-8")
    monkeypatch.setattr(run, "notebooks", lambda: broken)
    lines: list[str] = []
    assert run.execute(tmp_path / "out.ipynb", lines.append) == 1
    assert lines[-1] == "A cell failed with ZeroDivisionError: division by zero"
    assert any(line.startswith("1 of 2 code cells ran") for line in lines)
    assert "ZeroDivisionError" in (tmp_path / "out.ipynb").read_text(encoding="utf-8")


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path) -> None:
    lines: list[str] = []
    assert run.execute(tmp_path / "no" / "out.ipynb", lines.append) == 1
    assert "There is no folder" in lines[0]
    assert run.execute(tmp_path, lines.append) == 1
    assert lines[1] == f"{tmp_path} cannot be written."

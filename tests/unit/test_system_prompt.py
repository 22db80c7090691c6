"""The system prompt by default, the user's own, and the instructions of the project."""

from __future__ import annotations

import platform
import sys
from pathlib import Path

import pandas as pd
import pytest
from support.world import Stage, stage

from claude_jupyter.content.text.token_estimate import tokens_of_text
from claude_jupyter.conversation.ask import system_prompt
from claude_jupyter.errors import UsageError


def systems(s: Stage) -> list[str]:
    return [body["system"][0]["text"] if body.get("system") else "" for body in s.bodies]


def test_by_default_some_100_tokens_say_where_the_answer_is_shown_and_what_runs() -> None:
    with stage() as s:
        s.claude.ask("One?")
        (text,) = systems(s)
        assert "Jupyter notebook" in text and "LaTeX" in text and "```python" in text
        assert f"Python {platform.python_version()}" in text and f"pandas {pd.__version__}" in text
        assert 60 <= tokens_of_text(text) <= 140


def test_it_is_the_same_for_the_whole_chat(monkeypatch: pytest.MonkeyPatch) -> None:
    with stage() as s:
        monkeypatch.delitem(sys.modules, "polars", raising=False)
        s.claude.ask("One?")
        import polars  # noqa: F401  # pyright: ignore[reportUnusedImport]

        s.claude.ask("Two?")
        s.claude.fork("side").ask("Three?")
        assert len(set(systems(s))) == 1


def test_text_of_one_s_own_replaces_it_and_an_empty_one_sends_none() -> None:
    with stage() as s:
        s.settings.system = ""
        s.claude.ask("One?")
        s.settings.system = "Be brief."
        s.claude.ask("Two?")
        s.claude.ask("Three?", system="Pirate.")
        assert systems(s) == ["", "Be brief.", "Pirate."]


def test_instructions_go_along_from_beside_the_notebook_or_above_it_in_the_repository(tmp_path: Path) -> None:
    (tmp_path / "CLAUDE.md").write_text("Not of this repository.")
    root = tmp_path / "repository"
    folder = root / "notebooks" / "deep"
    folder.mkdir(parents=True)
    (root / ".git").mkdir()
    with stage() as s:
        s.env.folder = folder
        s.settings.instructions = True
        s.claude.ask("None yet?")
        (root / "CLAUDE.md").write_text("Use metric units.")
        s.claude.ask("Above?")
        (folder / "CLAUDE.md").write_text("Use nautical miles.")
        s.claude.ask("Beside?")
        s.settings.instructions = False
        s.claude.ask("Off?")
        none, above, beside, off = systems(s)
        assert "CLAUDE.md" not in none and none == off
        assert above.startswith(none) and above.endswith("Use metric units.")
        assert beside.endswith("Use nautical miles.") and "metric" not in beside


def test_instructions_that_cannot_be_read_are_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "CLAUDE.md").write_text("x")

    def denied(*_args: object, **_named: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", denied)
    with pytest.raises(UsageError, match=r"CLAUDE.md cannot be read \(Permission denied\)"):
        system_prompt.instructions(tmp_path)


def test_without_a_repository_only_the_notebook_s_own_folder_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "CLAUDE.md").write_text("Above.")
    folder = tmp_path / "notebooks"
    folder.mkdir()
    assert system_prompt.instructions(folder) == ""

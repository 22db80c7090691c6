"""`claude.export`: a Markdown file that people read and edit, in which nothing dangerous is left."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.world import stage

from claude_jupyter.assembly import _rendered  # pyright: ignore[reportPrivateUsage]
from claude_jupyter.display.inert import harmless

ANSWER = 'The **mean** is $\\bar{x}$ = 3.5, about $5 to $7.\n\n```python\ndf["a_b"].mean()  # <b> & $x\n```\n'


def exported(folder: Path, question: str, answer: str = ANSWER) -> str:
    with stage([answer]) as s:
        s.env.transcript = _rendered
        s.claude.ask(question)
        return s.claude.export(folder / "talk.md").read_text(encoding="utf-8")


def test_ordinary_characters_stay_as_they_are(tmp_path: Path) -> None:
    text = exported(tmp_path, "Is cost_per_unit *really* $5 & 10% of `a_b`?\nSee item 2.")
    assert "> Is cost_per_unit *really* $5 & 10% of `a_b`?\n> See item 2." in text
    assert ANSWER.strip() in text
    assert "&#" not in text and "\u200b" not in text
    assert re.search(r"\*\*1\*\* · claude-sonnet-5-5 · .* tokens · \$0\.\d+", text)


@pytest.mark.parametrize(
    ("nasty", "gone"),
    [
        ("<img src=x onerror=alert(1)>", "<img"),
        ("</div><script>alert(1)</script>", "<script"),
        ("[go](javascript:alert(1))", "](javascript"),
        ("![p](https://evil.example/?q=1)", "]("),
        ("[a]: javascript:alert(1)", "]: java"),
        ("<javascript:alert(1)>", "<java"),
        ("&lt;script&gt;", "&lt;"),
        ("```\n<b>\n", "> ```"),
        ("$\\href{javascript:alert(1)}{x}$", "\\href"),
    ],
)
def test_what_could_do_something_is_written_otherwise(tmp_path: Path, nasty: str, gone: str) -> None:
    text = exported(tmp_path, f"What is this?\n{nasty}", "Fine.")
    assert gone not in text.partition("Fine.")[0]
    assert harmless("a < b, x<5, R&D, $1_000") == "a < b, x<5, R&D, $1_000"

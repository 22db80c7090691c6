"""A dry run's receipt reads as what it is in every viewer."""

from __future__ import annotations

import re

import pandas as pd
import pytest
from support.world import Stage, stage

from claude_jupyter.display.receipt import rendered


@pytest.fixture
def shown() -> dict[str, str]:
    with stage("no") as here:
        return made(here)


def made(here: Stage) -> dict[str, str]:
    frame = pd.DataFrame({"price": ["$5 <b>each</b>", "$7"]})
    receipt = here.claude.ask("Is $5 or $7 <i>fair</i>?", frame, dry_run=True)
    assert here.bodies == []
    data, _ = rendered(receipt)
    return data


def test_amounts_are_no_mathematics(shown: dict[str, str]) -> None:
    """Two dollar signs in one element are typeset by MathJax in every notebook."""
    assert shown["text/html"].startswith('<div class="mathjax_ignore tex2jax_ignore"')
    for element in re.findall(r"<(?!pre)\w+[^>]*>([^<]*)", shown["text/html"]):
        assert element.count("$") < 2, element


def test_what_would_be_sent_is_text_not_html(shown: dict[str, str]) -> None:
    assert "<b>each</b>" not in shown["text/html"] and "<i>fair" not in shown["text/html"]
    assert "&lt;i&gt;fair&lt;/i&gt;" in shown["text/html"]
    assert "Is $5 or $7 <i>fair</i>?" in shown["text/plain"]


def test_what_an_answer_says_was_sent_is_not_said_to_have_stayed() -> None:
    with stage("Yes.") as here:
        data, _ = rendered(here.claude.ask("Is it fair?").sent)
        assert data["text/plain"].startswith("Sent to claude-sonnet-5-5")
        data, _ = rendered(here.claude.ask("Is it fair?", dry_run=True))
        assert data["text/plain"].startswith("Nothing was sent.")

"""Tables of ours are tables in every reader of Markdown."""

from __future__ import annotations

from decimal import Decimal

from claude_jupyter.answer.model import Listed, Models
from claude_jupyter.display.tables import models_table


def test_the_table_of_models_holds_no_mathematics() -> None:
    """`$/M|output $/M` is a formula to Jupyter, and the table then a heap of bars."""
    model = Listed("claude-x", 200_000, 64_000, Decimal("3.00"), Decimal(15), None, "when asked")
    data, _ = models_table(Models([model], "built-in table of 2026-11-22"))
    marked, plain = data["text/markdown"], data["text/plain"]
    assert "$" not in marked
    assert marked.splitlines()[2] == "|claude-x|3|15|unknown|200,000|64,000|when asked||"
    assert "USD per million tokens" in marked and "USD per million tokens" in plain

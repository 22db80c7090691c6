"""What the offline demo model answers: honest words on what it received."""

from __future__ import annotations

from claude_jupyter.demo.script import Body, Script


def answer(body: Body) -> Script:
    """An answer that says where it comes from."""
    return Script(
        text=f"This is the **offline demo model** of claude-jupyter, not Claude. I received {len(body['messages'])} message(s)."
    )

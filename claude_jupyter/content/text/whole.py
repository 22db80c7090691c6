"""Text is sent whole: shortened only beyond what the model's context takes, or beyond the setting `text_tokens`.

Where it is shortened, the text itself, the chip and a note say by how much and how to send all of it.
"""

from __future__ import annotations

from typing import NamedTuple

from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text.fence import Redactor, redacted_middle
from claude_jupyter.content.text.token_estimate import tokens_of_text


class FittedText(NamedTuple):
    """A text as it is sent.

    Attributes
    ----------
    text
        Redacted, and shortened where it had to be.
    cut
        For the chip: `, shortened to 70,000 characters`; empty if all of it is sent.
    notes
        How to send all; none where all of it is sent.
    """

    text: str
    cut: str = ""
    notes: tuple[str, ...] = ()


def whole(text: str, rules: Rules, redactor: Redactor) -> FittedText:
    """All of the text, or as much of it as may be sent."""
    limit = rules.text_limit
    tokens = tokens_of_text(text)
    if tokens <= limit:
        return FittedText(redactor(text))
    characters = max(int(len(text) * limit / tokens), 100)
    if rules.text_tokens is not None and rules.text_tokens == limit:
        why = f"text_tokens is {limit:,}"
        remedy = "to send all: %config ClaudeMagics.text_tokens = None"
    else:
        why = f"{rules.model.id} has room for about {limit:,} tokens of it"
        remedy = "to send all: ask about one part at a time, start over with -n, or use a model with a larger context (-m)"
    shortened, cut = redacted_middle(text, characters, redactor, f": {why}; {remedy}")
    if not cut:  # what was redacted made it short enough
        return FittedText(shortened)
    note = f"{characters:,} of {len(text):,} characters sent, the middle left out, because {why}; {remedy}"
    return FittedText(shortened, f", shortened to {characters:,}", (note,))

"""The rules for showing values in one request: for which model, how many rows may be sent, what is redacted."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from claude_jupyter.models import Model, facts
from claude_jupyter.settings import DEFAULT_MODEL

_DEFAULT: Final = facts(DEFAULT_MODEL)
CONTEXT_SHARE: Final = 0.8
"""Share of the context that attachments may fill: the rest is for the answer, and estimates can be wrong."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """What every kind of content has to respect.

    Attributes
    ----------
    model, provider
        For whom images are sized and which sources are allowed (URLs are fetched for Bedrock and Google Cloud).
    rows
        `none` (no cell value leaves), `all`, or a number: rows of a dataframe that may leave.
    frame_tokens
        The longest profile of one dataframe.
    text_tokens
        The longest text that is sent whole, as the user set it; None: as long as the context takes.
    room
        Tokens that the model's context has left for what is attached; None: all that the model takes.
    redact
        Text → (text with secrets replaced, their names); identity where the setting `redact` is off.
    thumbnails
        Whether images get a thumbnail for the answer.
    formatted
        Value → the mimebundle of the formatters that the user registered with IPython for its class; None if there is none.
    figure_data
        Whether a figure goes with the numbers that its object holds.
    citations
        Whether documents may be cited (not in a request for structured output).
    documents
        Whether a text file is sent as a document (not from a tool).
    images_before
        Images already in the history that is sent: above 20 in one request the API takes at most 2,000 px a side.
    """

    model: Model = _DEFAULT
    provider: str = "anthropic"
    rows: str = "10"
    frame_tokens: int = 2000
    text_tokens: int | None = None
    room: int | None = None
    redact: Callable[[str], tuple[str, tuple[str, ...]]] = lambda text: (text, ())
    formatted: Callable[[Any], Mapping[str, Any] | None] = lambda _value: None
    thumbnails: bool = True
    figure_data: bool = True
    citations: bool = True
    documents: bool = True
    images_before: int = 0

    @property
    def row_limit(self) -> int | None:
        """How many rows may leave; None for all."""
        return None if self.rows == "all" else 0 if self.rows == "none" else int(self.rows)

    @property
    def text_limit(self) -> int:
        """How many tokens of one text may be sent."""
        room = self.room if self.room is not None else int(self.model.context * CONTEXT_SHARE)
        return room if self.text_tokens is None else min(self.text_tokens, room)

"""Under which rules values are shown in one request: for which model, how many rows may leave, what is redacted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from claude_jupyter.settings import DEFAULT_MODEL


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
    redact
        Text → (text with secrets replaced, their names); identity where the setting `redact` is off.
    thumbnails
        Whether images get a thumbnail for the answer.
    images_before
        Images already in the history that is sent: above 20 in one request the API takes at most 2,000 px a side.
    """

    model: str = DEFAULT_MODEL
    provider: str = "anthropic"
    rows: str = "10"
    frame_tokens: int = 2000
    redact: Callable[[str], tuple[str, tuple[str, ...]]] = lambda text: (text, ())
    thumbnails: bool = True
    images_before: int = 0

    @property
    def row_limit(self) -> int | None:
        """How many rows may leave; None for all."""
        return None if self.rows == "all" else 0 if self.rows == "none" else int(self.rows)

"""The completions that Tab offers, as values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Candidate(NamedTuple):
    """One completion: the text that is in place of the fragment, and its kind as frontends show it."""

    text: str
    kind: str


@dataclass(frozen=True, slots=True)
class Offer:
    """What completes what: the characters before the cursor that are replaced, and by what, best first."""

    fragment: str
    candidates: tuple[Candidate, ...] = ()


@dataclass(frozen=True, slots=True)
class Scope:
    """What is around: the namespace, what of it is the shell's own, and the chats and MCP servers by name."""

    namespace: Mapping[str, Any]
    hidden: Mapping[str, Any] = field(default_factory=dict[str, Any])
    chats: Callable[[], Iterable[str]] = lambda: ("main",)
    servers: Callable[[], Iterable[str]] = tuple


def starting(texts: Iterable[str], word: str, kind: str) -> Iterator[Candidate]:
    """Those of the texts that begin with what is typed."""
    return (Candidate(text, kind) for text in texts if text.startswith(word))

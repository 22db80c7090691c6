"""What each model supports, and its limits: a dated table, used when the Models API cannot be asked. No prices (`costs/prices.py`).

Source: platform.claude.com model pages and the Messages API migration notes, as read on `AS_OF`; a model that is not listed gets
the facts of the newest of its line, because a new model is likelier to behave like its predecessor than like an old one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Final, Literal

AS_OF: Final = "2026-11-22"

Thinking = Literal["adaptive", "between_tools", "enabled", "disabled"]


@dataclass(frozen=True, slots=True)
class Model:
    """Facts about one model.

    Attributes
    ----------
    id, line
        `claude-opus-5-5`, `opus`.
    context, max_output
        Tokens.
    thinking
        Values of `thinking.type` that it accepts.
    thinks
        What it does when nothing is said: `always` (cannot be off), `on` or `off`.
    efforts
        Values of `output_config.effort`; empty if it takes none.
    effort
        Its default effort, or None.
    off_efforts
        Efforts at which `disabled` / `between_tools` is accepted.
    cacheable
        The shortest prompt, in tokens, that is cached.
    image_edge, image_tokens
        Longest edge in pixels and most tokens of an image before the API shrinks it.
    images
        Images in one request.
    bound
        Whether its thinking blocks are bound to what came before them.
    forced_tools
        Whether `tool_choice` may force a tool.
    temperature
        Whether it still takes `temperature` (under the API version 2023-06-01).
    compacts
        Whether server-side compaction is offered.
    retires
        ISO date after which it is gone, where one is announced.
    """

    id: str
    line: str
    context: int = 1_000_000
    max_output: int = 128_000
    thinking: tuple[Thinking, ...] = ("adaptive",)
    thinks: Literal["always", "on", "off"] = "always"
    efforts: tuple[str, ...] = ("low", "medium", "high", "xhigh", "max")
    effort: str | None = "high"
    off_efforts: tuple[str, ...] = ("low", "medium", "high", "xhigh", "max")
    cacheable: int = 512
    image_edge: int = 2576
    image_tokens: int = 4784
    images: int = 600
    bound: bool = False
    forced_tools: bool = True
    temperature: bool = False
    compacts: bool = True
    retires: str | None = None


_UP_TO_HIGH = ("low", "medium", "high")
_NO_XHIGH = ("low", "medium", "high", "max")
_ADAPTIVE_OFF: tuple[Thinking, ...] = ("adaptive", "disabled")
_ALL: tuple[Thinking, ...] = ("adaptive", "enabled", "disabled")
_OLD: tuple[Thinking, ...] = ("enabled", "disabled")

_FABLE = Model("claude-fable-5-2", "fable", bound=True, forced_tools=False)
_OLDER = Model(
    "", "", context=200_000, max_output=64_000, thinking=_OLD, thinks="off", efforts=(), effort=None,
    image_edge=1568, image_tokens=1568, images=100, temperature=True, compacts=False,
)  # fmt: skip
_FOUR_SIX = Model(
    "", "", thinking=_ALL, thinks="off", efforts=_NO_XHIGH, image_edge=1568, image_tokens=1568, temperature=True
)  # fmt: skip

MODELS: Final[tuple[Model, ...]] = (
    _FABLE,
    replace(_FABLE, id="claude-mythos-5-2", line="mythos"),
    replace(_FABLE, id="claude-fable-5-1"),
    replace(_FABLE, id="claude-mythos-5-1", line="mythos"),
    Model("claude-opus-5-5", "opus", effort="medium", bound=True, forced_tools=False),
    Model(
        "claude-sonnet-5-5", "sonnet", thinking=("adaptive", "between_tools"), thinks="on",
        off_efforts=_UP_TO_HIGH, bound=True, forced_tools=False,
    ),
    Model(
        "claude-haiku-5-5", "haiku", thinking=_ADAPTIVE_OFF, thinks="on", effort="medium",
        off_efforts=_UP_TO_HIGH, bound=True, compacts=False,
    ),
    Model("claude-fable-5", "fable"),
    Model("claude-mythos-5", "mythos"),
    Model("claude-opus-5", "opus", thinking=_ADAPTIVE_OFF, thinks="on", off_efforts=_UP_TO_HIGH),
    Model("claude-sonnet-5", "sonnet", thinking=_ADAPTIVE_OFF, thinks="on", cacheable=1024),
    Model("claude-opus-4-8", "opus", thinking=_ADAPTIVE_OFF, thinks="off", cacheable=1024),
    Model("claude-opus-4-7", "opus", thinking=_ADAPTIVE_OFF, thinks="off", cacheable=2048),
    replace(_FOUR_SIX, id="claude-opus-4-6", line="opus", cacheable=4096),
    replace(_FOUR_SIX, id="claude-sonnet-4-6", line="sonnet", cacheable=1024),
    replace(_OLDER, id="claude-opus-4-5", line="opus", efforts=_NO_XHIGH, effort="high", cacheable=4096),
    replace(_OLDER, id="claude-haiku-4-5", line="haiku", cacheable=4096),
    replace(_OLDER, id="claude-sonnet-4-5", line="sonnet", cacheable=1024, retires="2026-11-30"),
    Model(
        "claude-mythos-preview", "mythos", thinking=("adaptive", "enabled"), cacheable=2048, retires="2026-06-30"
    ),
)  # fmt: skip

LINES: Final = ("opus", "sonnet", "haiku", "fable")
"""Names that mean "the newest model of the line"."""

_BY_ID: Final = {m.id: m for m in MODELS}
_DATED = re.compile(r"-(20\d{6}|latest)$")
_CLOUD = re.compile(r"^(?:[a-z-]+\.)*?(?:anthropic\.)?(claude-[a-z0-9-]+?)(?:-v\d+(?::\d+)?|@\w+)?$")


def newest(line: str) -> Model:
    """The newest model of a line (`opus` → `claude-opus-5-5`)."""
    return next(m for m in MODELS if m.line == line)


def resolve(name: str) -> str:
    """A model id from what a user typed: a line becomes its newest model, anything else stays as it is."""
    return newest(name.lower()).id if name.lower() in LINES else name


def facts(name: str) -> Model:
    """The facts of a model by id, dated id, or a cloud's spelling of it; for an unknown one those of its line's newest.

    >>> facts("claude-haiku-4-5-20251001").context
    200000
    """
    match = _CLOUD.match(resolve(name))
    base = _DATED.sub("", match[1] if match else name)
    if base in _BY_ID:
        return _BY_ID[base]
    line = next((m.line for m in MODELS if m.line in base), "sonnet")
    return replace(newest(line), id=name)


def known(name: str) -> bool:
    """Whether the table lists this model (a dated or a cloud's spelling counts)."""
    return facts(name).id != name or name in _BY_ID


class Catalog:
    """The models of one service: the table, and what the service itself says of its models, which wins."""

    def __init__(self) -> None:
        self._learned: dict[str, Model] = {}

    def facts(self, name: str) -> Model:
        """The facts of a model, as the service says, else as the table does."""
        return self._learned.get(name) or facts(name)

    def known(self, name: str) -> bool:
        """Whether the service or the table lists this model."""
        return name in self._learned or known(name)

    def learn(self, model: Model) -> None:
        """Take in what the service says of a model."""
        self._learned[model.id] = model
        base = _DATED.sub("", model.id)
        if base != model.id and base in _BY_ID:
            self._learned.setdefault(base, replace(model, id=base))

    def forget(self) -> None:
        """Go back to the table: for another endpoint, and for replay, whose requests have to be the same everywhere."""
        self._learned.clear()

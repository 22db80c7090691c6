"""Conversations that outgrow the context: how full it is, what the service condenses, what is left out, and condensing now.

Pure but for `condense`, which asks. What is left out stays in the transcript; what is sent stays valid: no turn is split, no tool result
stands without its call, thinking whose prefix is gone is dropped (`history.sent`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from claude_jupyter.conversation.history import Turns, sealed
from claude_jupyter.models import Model, facts
from claude_jupyter.turns import Answer, Attachment, Message, Turn

if TYPE_CHECKING:
    from claude_jupyter.conversation.request import Question
    from claude_jupyter.settings import Settings

BETA: Final = "compact-2026-01-12"
_EDIT: Final = "compact_20260112"
_LEAST: Final = 50_000
"""The service's least trigger, in tokens."""
_ASKED_FROM: Final = 0.4
_TRIGGER: Final = 0.8
"""Shares of the context: from where on condensing is asked for, and where the service is to do it."""
_MARGIN: Final = 0.85
"""Share of the context that estimates may fill: they can be wrong by so much."""
_STEP: Final = 0.25
"""Turns are left out by so much of the context at once, so that the cache is not spoilt with every question."""

SUMMARY: Final = (
    "Condense our conversation so far into a summary from which we can go on without it: what it is about, what was asked and found, "
    "every number, name, decision and piece of code that may still be needed, and what is open. Write only the summary."
)
_CARRIED: Final = "This is a summary of our conversation so far; go on from it."


class Context(NamedTuple):
    """How full the context is, in tokens."""

    used: int
    size: int

    @property
    def share(self) -> float:
        """The part used, 0 to 1."""
        return min(1.0, self.used / self.size) if self.size else 0.0


def gauge(live: Turns, model: str) -> Context:
    """The context that the next question will find: by the last answer's own count, else estimated."""
    size = facts(model).context
    if not live:
        return Context(0, size)
    told: Mapping[str, Any] = (live[-1].answer.message or {}).get("usage") or {}
    names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")
    used = sum(int(told.get(n) or 0) for n in names)
    return Context(used or sum(t.tokens for t in carried(live)), size)


def fitted(question: Question, settings: Settings) -> Question:
    """The question with as many of the earlier turns as the context holds.

    Where the service condenses, all are sent and it does so in time; else the oldest are left out.
    """
    model = facts(question.model)
    earlier = question.earlier
    if not earlier:
        return question
    condenses = _condenses(question, settings, model)
    if not condenses and any(t.condensed for t in earlier):
        earlier = _written_out(earlier)
    rest = carried(earlier)
    longest = min(question.options.max_tokens or settings.max_tokens, model.max_output)
    room = int(model.context * _MARGIN) - longest - _own(question)
    if condenses and sum(t.tokens for t in rest) < model.context * 0.98 - longest:
        return replace(question, earlier=earlier)
    kept = _newest(rest, room, int(model.context * _STEP))
    if len(kept) == len(rest):
        return replace(question, earlier=earlier)
    return replace(question, earlier=kept, left_out=len(rest) - len(kept))


def edits(question: Question, settings: Settings) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Parameters and betas that let the service condense this request; empty where it need not or cannot."""
    model = facts(question.model)
    if not _condenses(question, settings, model):
        return {}, ()
    before = any(t.condensed for t in question.earlier)
    tokens = sum(t.tokens for t in carried(question.earlier)) + _own(question)
    if not before and tokens < model.context * _ASKED_FROM:
        return {}, ()
    trigger = {"type": "input_tokens", "value": max(_LEAST, int(model.context * _TRIGGER))}
    return {"context_management": {"edits": [{"type": _EDIT, "trigger": trigger}]}}, (BETA,)


def told(question: Question) -> str | None:
    """What the answer says of turns that were left out."""
    count = question.left_out
    if not count:
        return None
    turns = "The oldest turn was" if count == 1 else f"The {count} oldest turns were"
    size = facts(question.model).context
    return (
        f"{turns} left out of what was sent: the conversation outgrows the context of {question.model} ({size:,} tokens). "
        "claude.compact() condenses it, -n begins afresh."
    )


def summarised(answer: Answer, live: Turns) -> Turn:
    """The turn that stands for all before it: a fresh start with their summary."""
    if any(a.rows for t in live for a in t.answer.attachments):
        # The summary may hold cell values: `--rows none` must go on refusing this chat.
        held = Attachment("earlier turns", "text", (), "condensed", 0, rows=True)
        answer = replace(answer, attachments=(held,))
    # The response counts the whole conversation, and the gauge reads the last one's count.
    answer = replace(answer, message=None)
    messages = (
        {"role": "user", "content": [{"type": "text", "text": _CARRIED}]},
        {"role": "assistant", "content": [{"type": "text", "text": answer.text}]},
    )
    return sealed(Turn(messages=messages, answer=answer, prompt="(condensed)", starts=True))


def _condenses(question: Question, settings: Settings, model: Model) -> bool:
    return settings.compact == "auto" and model.compacts and question.condensable


def _own(question: Question) -> int:
    from claude_jupyter.conversation.request import prompt_of

    return prompt_of(replace(question, earlier=())).prompt


def _blocks(message: Message) -> Sequence[Mapping[str, Any]]:
    content = message["content"]
    return () if isinstance(content, str) else content


def carried(turns: Turns) -> Turns:
    """The turns that the service still reads: from the last condensed one on."""
    at = max((i for i, t in enumerate(turns) if t.condensed), default=0)
    return turns[at:]


def _newest(turns: Turns, room: int, step: int) -> Turns:
    """The newest turns within `room` tokens, cut where cutting was decided before as well.

    The cut moves in steps of tokens counted from the beginning, so that it stays for many questions.
    """
    total = sum(t.tokens for t in turns)
    if total <= room:
        return turns
    starts = [0, *accumulate(t.tokens for t in turns)][:-1]
    gone = -(-(total - room) // step) * step
    cuts = [i for i, t in enumerate(turns) if starts[i] >= gone and not _answers_calls(t)]
    if cuts:
        return turns[cuts[0] :]
    # The last turns alone are larger than a step: as many as fit.
    cuts = [i for i, t in enumerate(turns) if total - starts[i] <= room and not _answers_calls(t)]
    return turns[cuts[0] :] if cuts else ()


def _answers_calls(turn: Turn) -> bool:
    return any(b.get("type") == "tool_result" for b in _blocks(turn.messages[0]))


def _written_out(turns: Turns) -> Turns:
    """Turns for a model that does not know the service's summaries: the last one becomes plain text, what it stands for goes."""
    rest = carried(turns)
    first = rest[0]
    messages: list[Message] = []
    for message in first.messages:
        blocks = [
            {
                "type": "text",
                "text": f"Summary of the conversation before this:\n\n{b.get('content') or '(none)'}",
            }
            if b.get("type") == "compaction"
            else b
            for b in _blocks(message)
        ]
        messages.append({**message, "content": blocks})
    return (sealed(replace(first, messages=tuple(messages))), *rest[1:])

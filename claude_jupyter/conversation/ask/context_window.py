"""Conversations that outgrow the context: how full it is, what the service summarizes, what is left out, and summarizing now.

Pure but for `condense`, which asks. What is left out stays in the transcript; what is sent stays valid: no turn is split, no tool result
is without its call, thinking whose prefix is gone is dropped (`history.sent`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import Any, Final, NamedTuple

from claude_jupyter.answer.model import Answer, Attachment, Message, Turn
from claude_jupyter.conversation.ask.question import Question, prompt_of
from claude_jupyter.conversation.history import Turns, carried, with_digests
from claude_jupyter.models import Model
from claude_jupyter.settings import Settings

BETA: Final = "compact-2026-01-12"
_EDIT: Final = "compact_20260112"
_LEAST: Final = 50_000
"""The smallest trigger that the service accepts, in tokens."""
_REQUESTED_FROM: Final = 0.4
_TRIGGER: Final = 0.8
"""Shares of the context: from where on condensing is asked for, and where the service is to do it."""
_MARGIN: Final = 0.85
"""Share of the context that estimates may fill, because estimates can be off."""
_STEP: Final = 0.25
"""Turns are left out in steps of this share of the context, so that the cache stays valid for several questions."""

SUMMARY: Final = (
    "Summarize our conversation so far, so that we can continue from the summary alone: what it is about, what was asked and found, "
    "every number, name, decision and piece of code that may still be needed, and what is still open. Write only the summary."
)
_CARRIED: Final = "This is a summary of our conversation so far; continue from it."


class Context(NamedTuple):
    """How full the context is, in tokens."""

    used: int
    size: int

    @property
    def share(self) -> float:
        """The part used, 0 to 1."""
        return min(1.0, self.used / self.size) if self.size else 0.0


def gauge(live: Turns, size: int) -> Context:
    """The context, of `size` tokens, that the next question will find: by the last answer's own count, else estimated."""
    if not live:
        return Context(0, size)
    usage: Mapping[str, Any] = (live[-1].answer.message or {}).get("usage") or {}
    names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")
    used = sum(int(usage.get(n) or 0) for n in names)
    return Context(used or sum(t.tokens for t in carried(live)), size)


def fitted(question: Question, settings: Settings) -> Question:
    """The question with as many of the earlier turns as the context holds.

    Where the service condenses, all are sent and it does so in time; else the oldest are left out.
    """
    model = question.facts
    earlier = question.earlier
    if not earlier:
        return question
    condenses = _condenses(question, settings, model)
    if not condenses and any(t.condensed for t in earlier):
        earlier = _written_out(earlier)
    rest = carried(earlier)
    longest = min(question.options.max_tokens or settings.max_tokens, model.max_output)
    own = _own(question)
    room = int(model.context * _MARGIN) - longest - own
    if condenses and sum(t.tokens for t in rest) + own < model.context * 0.98 - longest:
        return replace(question, earlier=earlier)
    newest = _newest(rest, room, int(model.context * _STEP))
    if len(newest) == len(rest):
        return replace(question, earlier=earlier)
    return replace(question, earlier=newest, left_out=len(rest) - len(newest))


def edits(question: Question, settings: Settings) -> tuple[dict[str, Any], tuple[str, ...]]:
    """Parameters and betas that let the service condense this request; empty if it need not or cannot."""
    model = question.facts
    if not _condenses(question, settings, model):
        return {}, ()
    before = any(t.condensed for t in question.earlier)
    tokens = sum(t.tokens for t in carried(question.earlier)) + _own(question)
    if not before and tokens < model.context * _REQUESTED_FROM:
        return {}, ()
    trigger = {"type": "input_tokens", "value": max(_LEAST, int(model.context * _TRIGGER))}
    return {"context_management": {"edits": [{"type": _EDIT, "trigger": trigger}]}}, (BETA,)


def left_out_notice(question: Question) -> str | None:
    """What the answer says of turns that were left out."""
    count = question.left_out
    if not count:
        return None
    turns = "The oldest turn was" if count == 1 else f"The {count} oldest turns were"
    size = question.facts.context
    return (
        f"{turns} not sent: the conversation no longer fits the context of {question.model} ({size:,} tokens). "
        "claude.compact() summarizes it, -n starts over."
    )


def summarized(answer: Answer, live: Turns) -> Turn:
    """The turn that replaces all turns before it: a new start with their summary."""
    if any(a.rows for t in live for a in t.answer.attachments):
        # The summary may hold cell values: `--rows none` must continue refusing this chat.
        earlier = Attachment("earlier turns", "text", (), "condensed", 0, rows=True)
        answer = replace(answer, attachments=(earlier,))
    # The response counts the whole conversation, and the gauge reads the last one's count.
    answer = replace(answer, message=None)
    messages = (
        {"role": "user", "content": [{"type": "text", "text": _CARRIED}]},
        {"role": "assistant", "content": [{"type": "text", "text": answer.text}]},
    )
    return with_digests(Turn(messages=messages, answer=answer, prompt="(condensed)", starts=True))


def _condenses(question: Question, settings: Settings, model: Model) -> bool:
    return settings.compact == "auto" and model.compacts and question.condensable


def _own(question: Question) -> int:
    return prompt_of(replace(question, earlier=())).prompt


def _blocks(message: Message) -> Sequence[Mapping[str, Any]]:
    content = message["content"]
    return () if isinstance(content, str) else content


def _newest(turns: Turns, room: int, step: int) -> Turns:
    """The newest turns within `room` tokens, cut where cutting was decided before as well.

    The cut moves in steps of tokens counted from the beginning, so that it stays for many questions.
    """
    total = sum(t.tokens for t in turns)
    if total <= room:
        return turns
    starts = [0, *accumulate(t.tokens for t in turns)][:-1]
    cut = -(-(total - room) // step) * step
    cuts = [i for i, t in enumerate(turns) if starts[i] >= cut and not _answers_calls(t)]
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
    return (with_digests(replace(first, messages=tuple(messages))), *rest[1:])

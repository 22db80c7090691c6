"""What the model reads of a conversation: from the service's last summary on, without what context editing clears; and new summaries.

Context editing (beta `context-management-2025-06-27`) and compaction (beta `compact-2026-01-12`) as the service describes them, and what
it refuses about them (platform.claude.com, "Context editing", "Compaction"). The summary's words are the demo's own and say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from claude_jupyter.demo.oracle.refusal import invalid
from claude_jupyter.demo.oracle.signing import as_blocks, read_from
from claude_jupyter.models import Model

_COMPACT: Final = "compact_20260112"
_TOOL_USES: Final = "clear_tool_uses_20250919"
_THINKING: Final = "clear_thinking_20251015"
_BETAS: Final[Mapping[str, str]] = {
    _COMPACT: "compact-2026-01-12",
    _TOOL_USES: "context-management-2025-06-27",
    _THINKING: "context-management-2025-06-27",
}
_BLOCK_BETAS: Final = ("compact-2026-01-12", "compact-2026-09-04")
_FIELDS: Final[Mapping[str, frozenset[str]]] = {
    _COMPACT: frozenset(("type", "trigger", "instructions", "pause_after_compaction")),
    _TOOL_USES: frozenset(
        ("type", "trigger", "keep", "clear_at_least", "exclude_tools", "clear_tool_inputs")
    ),
    _THINKING: frozenset(("type", "keep")),
}
_LEAST: Final = 50_000
_DEFAULTS: Final[Mapping[str, int]] = {_COMPACT: 150_000, _TOOL_USES: 100_000}
_CLEARED: Final = "[cleared to save context]"

Body = Mapping[str, Any]
Message = Mapping[str, Any]
Count = Callable[[Body], int]
"""The prompt tokens of a request as it is."""


@dataclass(frozen=True, slots=True)
class Read:
    """A request as the model reads it.

    Attributes
    ----------
    applied
        What context editing cleared, as the response tells it.
    """

    body: Body
    applied: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Condensed:
    """A summary that an answer begins with.

    Attributes
    ----------
    after
        The request that the rest of the answer is given to.
    pause
        Whether the answer ends with the summary.
    """

    summary: str
    after: Body
    pause: bool


def check(body: Body, betas: frozenset[str], model: Model) -> None:
    """Refuse what the service refuses of `context_management` and of compaction blocks.

    Raises
    ------
    Refused
        A 400.
    """
    managed = body.get("context_management")
    if managed is not None:
        if not isinstance(managed, Mapping) or set(managed) - {"edits"}:
            raise invalid("context_management: expected {'edits': [...]}")
        kinds = [_edit(edit, k, betas, model) for k, edit in enumerate(managed.get("edits") or ())]
        if _THINKING in kinds[1:]:
            raise invalid(f"context_management.edits: {_THINKING} must be the first edit")
    if not any(block.get("type") == "compaction" for _, block in _blocks(body)):
        return
    if betas.isdisjoint(_BLOCK_BETAS):
        raise invalid("messages: Input tag 'compaction' does not match any of the expected tags")
    if not model.compacts:
        raise invalid(f"messages: compaction blocks are not supported for {body['model']}")


def _edit(edit: Any, k: int, betas: frozenset[str], model: Model) -> str:
    path = f"context_management.edits.{k}"
    kind = str(edit.get("type")) if isinstance(edit, Mapping) else ""
    if kind not in _FIELDS:
        raise invalid(
            f"{path}: Input tag {kind!r} found using 'type' does not match any of the expected tags"
        )
    if _BETAS[kind] not in betas:
        raise invalid(f"{path}: {kind} needs the beta {_BETAS[kind]}")
    if extra := set(edit) - _FIELDS[kind]:
        raise invalid(f"{path}.{kind}.{min(extra)}: Extra inputs are not permitted")
    if kind == _COMPACT and not model.compacts:
        raise invalid(f"{path}: compaction is not supported for this model")
    if kind == _COMPACT and _trigger(edit) < _LEAST:
        raise invalid(f"{path}.{kind}.trigger.value: Input should be greater than or equal to {_LEAST}")
    return kind


def read(body: Body, count: Count) -> Read:
    """The request from its last summary on, without what its edits clear."""
    messages = read_from(body.get("messages") or ())
    body = {**body, "messages": messages} if messages is not body.get("messages") else body
    applied: list[dict[str, Any]] = []
    for edit in _edits(body):
        if edit["type"] == _COMPACT:
            continue
        before = count(body)
        if edit["type"] == _THINKING:
            edited, number = _without_thinking(body["messages"], edit)
            applied_edit = {"type": _THINKING, "cleared_thinking_turns": number}
        elif before >= _trigger(edit):
            edited, number = _without_results(body["messages"], edit)
            applied_edit = {"type": _TOOL_USES, "cleared_tool_uses": number}
        else:
            continue
        cleared = before - count({**body, "messages": edited})
        if number and cleared >= int((edit.get("clear_at_least") or {}).get("value") or 0):
            body = {**body, "messages": edited}
            applied.append({**applied_edit, "cleared_input_tokens": cleared})
    return Read(body, tuple(applied))


def condensed(body: Body, tokens: int) -> Condensed | None:
    """The summary that this request's answer begins with, where its prompt has reached the trigger."""
    edit = next((e for e in _edits(body) if e["type"] == _COMPACT), None)
    if edit is None or tokens < _trigger(edit):
        return None
    messages: Sequence[Message] = body.get("messages") or ()
    questions = sum(
        m["role"] == "user" and any(b.get("type") != "tool_result" for b in as_blocks(m["content"]))
        for m in messages
    )
    more = f" Its instructions were: {edit['instructions']}" if edit.get("instructions") else ""
    summary = (
        f"A summary by the offline demo model, which understands nothing: {questions} question{'s' * (questions != 1)} in "
        f"{len(messages)} messages, {tokens:,} tokens.{more}"
    )
    after = {**body, "messages": [{"role": "user", "content": [{"type": "text", "text": summary}]}]}
    return Condensed(summary, after, bool(edit.get("pause_after_compaction")))


def _edits(body: Body) -> Sequence[Mapping[str, Any]]:
    return (body.get("context_management") or {}).get("edits") or ()


def _trigger(edit: Mapping[str, Any]) -> int:
    trigger = edit.get("trigger") or {}
    return int(trigger.get("value") or _DEFAULTS[edit["type"]])


def _blocks(body: Body) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for message in body["messages"]:
        for block in as_blocks(message["content"]):
            yield message["role"], block


def _without_thinking(messages: Sequence[Message], edit: Mapping[str, Any]) -> tuple[list[Message], int]:
    keep: Any = edit.get("keep") or {"value": 1}
    thought = [
        k
        for k, m in enumerate(messages)
        if m["role"] == "assistant" and any(b.get("type") == "thinking" for b in as_blocks(m["content"]))
    ]
    old = [] if keep == "all" or keep.get("type") == "all" else thought[: -int(keep["value"])]
    edited = [
        {**m, "content": [b for b in as_blocks(m["content"]) if b.get("type") != "thinking"]}
        if k in old
        else m
        for k, m in enumerate(messages)
    ]
    return edited, len(old)


def _without_results(messages: Sequence[Message], edit: Mapping[str, Any]) -> tuple[list[Message], int]:
    spared = set(edit.get("exclude_tools") or ())
    calls = [
        b["id"]
        for m in messages
        for b in as_blocks(m["content"])
        if b.get("type") == "tool_use" and b["name"] not in spared
    ]
    keep = int((edit.get("keep") or {}).get("value", 3))
    old = set(calls[:-keep] if keep else calls)

    def cleared(block: Mapping[str, Any]) -> Mapping[str, Any]:
        if block.get("type") == "tool_result" and block["tool_use_id"] in old:
            return {**block, "content": _CLEARED}
        if edit.get("clear_tool_inputs") is True and block.get("type") == "tool_use" and block["id"] in old:
            return {**block, "input": {}}
        return block

    return [{**m, "content": [cleared(b) for b in as_blocks(m["content"])]} for m in messages], len(old)

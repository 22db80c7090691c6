"""What was asked → a question ready to be sent: history before it, values shown, tools offered, everything wrong refused now."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from claude_jupyter import content, models
from claude_jupyter.client.schemas import Returns
from claude_jupyter.content.limits import hold
from claude_jupyter.content.rules import Rules
from claude_jupyter.conversation import history
from claude_jupyter.conversation.asking import Asking
from claude_jupyter.conversation.calls import Tool, Toolbox
from claude_jupyter.conversation.history import Turns
from claude_jupyter.conversation.request import TTL, Question, build, content_of
from claude_jupyter.conversation.world import World
from claude_jupyter.errors import UsageError
from claude_jupyter.options import Options
from claude_jupyter.turns import Answer, Attachment, Place


@dataclass(frozen=True, slots=True)
class Ask:
    """What was asked.

    Attributes
    ----------
    labels
        What the values are called; None: found out.
    results
        Results of open tool calls by id.
    number
        Which question of the chat it is.
    """

    prompt: str
    values: tuple[Any, ...]
    options: Options
    labels: Sequence[str] | None
    results: Mapping[str, Any] | None
    number: int


@dataclass(frozen=True, slots=True)
class State:
    """The chat when it was asked."""

    name: str
    turns: Turns
    tools: tuple[Tool, ...]
    model: str | None
    system: str | None
    ttl: TTL | None
    warm: bool
    expired: bool = False


def prepare(world: World, state: State, ask: Ask, *, keep_events: bool = False) -> Asking:
    """The question, ready to run; nothing has been sent.

    Raises
    ------
    ClaudeError
        For whatever can be known to be wrong beforehand.
    """
    options, settings = ask.options, world.settings
    if ask.results is None and not ask.prompt.strip():
        raise UsageError('the question is empty: claude.ask("What is odd about this table?", df)')
    place = world.place()
    preceding = history.before(state.turns, place)
    earlier = () if options.once or options.new else history.live(preceding)
    model = models.resolve(options.model or state.model or settings.model)
    rules = rules_for(world, options, model, earlier)
    attachments = attached(world, ask, rules, earlier)
    prompt, redacted = rules.redact(ask.prompt)
    default = state.system if state.system is not None else settings.system
    tools = (*state.tools, *(Tool.of(t) for t in options.tool))
    toolbox = Toolbox(tools, lambda value, label: content.attach(value, label, rules), world.confirm)
    returns = Returns(options.returns) if options.returns is not None else None
    question = Question(
        prompt=prompt,
        content=(
            *answered_calls(earlier, ask.results),
            *(content_of(prompt, attachments) if prompt.strip() else ()),
        ),
        attachments=attachments,
        options=options,
        earlier=earlier,
        model=model,
        system=options.system if options.system is not None else history.system_at(preceding, default),
        tools=tuple(dict(t.definition) for t in tools),
        format=returns.schema if returns is not None else None,
        ttl=state.ttl,
        warm=state.warm,
        expired=state.expired and bool(earlier),
    )
    request, _, _ = build(
        question, settings
    )  # what the model does not take is refused before anything is shown
    if not options.dry_run:
        world.books.ask_first(request, question, world.confirm)
    answer = Answer(
        id=uuid.uuid4().hex,
        chat=state.name,
        turn=ask.number,
        model=model,
        provider=world.service.provider,
        attachments=attachments,
    )
    notes = tuple(_notes(attachments, redacted))
    return Asking(world, question, answer, toolbox, keep_events, returns, place, notes)


def follow(question: Question, turns: Turns, place: Place) -> Question:
    """A question that waited for others: it now follows the turns that are finished."""
    if question.options.once or question.options.new:
        return question
    return replace(question, earlier=history.live(history.before(turns, place)))


def rules_for(world: World, options: Options, model: str, earlier: Turns) -> Rules:
    """Under which rules the values of this question are shown."""
    settings = world.settings
    return Rules(
        model=model,
        provider=world.service.provider,
        rows=options.rows or str(settings.rows),
        frame_tokens=settings.frame_tokens,
        redact=world.redact,
        thumbnails=settings.thumbnails,
        images_before=history.images_in(m for t in earlier for m in t.messages),
    )


def attached(world: World, ask: Ask, rules: Rules, earlier: Turns) -> tuple[Attachment, ...]:
    """Everything the question points at, none twice.

    Raises
    ------
    ClaudeError
        For a value or file that cannot be shown, or rows in the history that `--rows none` forbids.
    """
    options = ask.options
    if rules.rows == "none" and any(a.rows for t in earlier for a in t.answer.attachments):
        raise UsageError(
            "--rows none, but earlier turns of this chat hold rows. Begin afresh with -n, or use --once."
        )
    found: list[Attachment] = []
    for i, value in enumerate(ask.values):
        label = ask.labels[i] if ask.labels is not None else _label(value, world.namespace(), i)
        found.extend(content.attach(value, label, rules))
    for path in options.file:
        found.extend(content.attach_file(path, rules))
    cells = world.cells
    if cells is None and (options.plots or options.last or options.error):
        raise UsageError(
            "there are no cells to point at: --plots, --last and --error need %load_ext claude_jupyter"
        )
    if cells is not None:
        found.extend(cells.plots(options.plots, rules) if options.plots else ())
        found.extend(cells.last_cells(options.last, rules) if options.last else ())
        found.extend(cells.last_error(rules) if options.error else ())
    kept: list[Attachment] = []
    for a in found:
        if not any(a.blocks == k.blocks for k in kept):
            kept.append(a)
    return hold(kept, (m for t in earlier for m in t.messages), rules)


def answered_calls(earlier: Turns, results: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """Results for calls that the last answer left open: given by the user, else said to be missing.

    Raises
    ------
    UsageError
        For an id that no open call has.
    """
    last = earlier[-1].messages[-1] if earlier else None
    calls = [b for b in (last or {}).get("content", ()) if b["type"] == "tool_use"]
    given = dict(results or {})
    unknown = sorted(set(given) - {b["id"] for b in calls})
    if unknown:
        raise UsageError(f"no open tool call has the id {unknown[0]!r}")
    blocks: list[dict[str, Any]] = []
    for call in calls:
        block: dict[str, Any] = {"type": "tool_result", "tool_use_id": call["id"]}
        if call["id"] in given:
            value = given[call["id"]]
            block["content"] = (value if isinstance(value, str) else repr(value)) or "(no output)"
        else:
            block |= {"content": "This call was not answered.", "is_error": True}
        blocks.append(block)
    return blocks


def _label(value: Any, namespace: Mapping[str, Any], place: int) -> str:
    """The name a value goes by: its variable, its file name, or its place among the values."""
    if isinstance(value, Path):
        return value.name
    names = [n for n, v in namespace.items() if v is value and not n.startswith("_")]
    return names[0] if names else f"value {place + 1}"


def _notes(attachments: Sequence[Attachment], redacted: Sequence[str]) -> Iterator[str]:
    for a in attachments:
        yield from (f"{a.label}: {note}" for note in a.notes)
    if redacted:
        yield f"Redacted in the prompt: {', '.join(redacted)}."

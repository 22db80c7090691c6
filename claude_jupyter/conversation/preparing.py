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
from claude_jupyter.conversation.history import System, Turns
from claude_jupyter.conversation.recorded import recording
from claude_jupyter.conversation.request import TTL, Question, build, content_of
from claude_jupyter.conversation.window import fitted
from claude_jupyter.conversation.world import World
from claude_jupyter.errors import UsageError
from claude_jupyter.options import Options
from claude_jupyter.settings import Settings
from claude_jupyter.turns import Answer, Attachment, Block, Place


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
    place
        The cell and execution that ask.
    """

    prompt: str
    values: tuple[Any, ...]
    options: Options
    labels: Sequence[str] | None
    results: Mapping[str, Any] | None
    number: int
    place: Place


@dataclass(frozen=True, slots=True)
class State:
    """The chat when it was asked.

    Attributes
    ----------
    offered
        The tools of the last question, for results given by hand.
    """

    name: str
    turns: Turns
    tools: tuple[Tool, ...]
    model: str | None
    system: System
    ttl: TTL | None
    warm: bool
    expired: bool = False
    offered: tuple[Tool, ...] = ()


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
    preceding = history.before(state.turns, ask.place)
    earlier = () if options.once or options.new else history.live(preceding)
    model = chosen_model(world, state, options)
    rules = rules_for(world, options, model, earlier)
    attachments = attached(world, ask, rules, earlier)
    prompt, redacted = rules.redact(ask.prompt)
    default = state.system._replace(text=rules.redact(state.system.text)[0])
    if options.system is not None:  # also as it is kept, for the turns that follow
        said, names = rules.redact(options.system)
        options, redacted = replace(options, system=said), tuple(dict.fromkeys((*redacted, *names)))
    tools = offered(state, ask)
    toolbox = toolbox_for(world, tools, rules)
    returns = Returns(options.returns) if options.returns is not None else None
    blocks = (
        *answered_calls(earlier, ask.results, toolbox),
        *(content_of(prompt, attachments) if prompt.strip() else (b for a in attachments for b in a.blocks)),
    )
    if not blocks:
        raise UsageError("no tool call is open: there is nothing to give results for")
    question = Question(
        prompt=prompt,
        content=blocks,
        attachments=attachments,
        options=options,
        earlier=earlier,
        model=model,
        system=options.system if options.system is not None else history.system_at(preceding, default),
        default_system=default,
        tools=tuple(dict(t.definition) for t in tools),
        format=returns.schema if returns is not None else None,
        ttl=state.ttl,
        warm=state.warm,
        expired=state.expired and bool(earlier),
    )
    question = fitted(replace(question, condensable=world.service.condenses), settings)
    built = build(question, settings)  # what the model does not take is refused before anything is shown
    request = built[0]
    if not options.dry_run and recording(world, question, request) is None:
        if settings.replay == "off":
            world.service.client  # noqa: B018  a missing key is said before anything is shown; recordings need none
        world.books.ask_first(request, question, world.confirm)
    answer = Answer(
        id=uuid.uuid4().hex,
        chat=state.name,
        turn=ask.number,
        model=model,
        provider=world.service.provider,
        attachments=attachments,
        once=options.once,
        starts=options.new,
    )
    notes = tuple(_notes(attachments, redacted))
    return Asking(world, question, answer, toolbox, keep_events, returns, ask.place, notes, built=built)


def chosen_model(world: World, state: State, options: Options) -> str:
    """The id of the model that is asked, with what is known of it brought up to date.

    Raises
    ------
    NotFoundError
        For a name that can be no model's.
    """
    model = models.resolve(options.model or state.model or world.settings.model)
    world.service.check(model)
    if not options.dry_run:
        named = (options.effort, options.thinking, options.temperature)
        world.service.learn(model, ask=any(value is not None for value in named))
    return model


def follow(question: Question, turns: Turns, place: Place, settings: Settings) -> Question:
    """A question that waited for others: it now follows the turns that are finished."""
    options, preceding = question.options, history.before(turns, place)
    earlier = () if options.once or options.new else history.live(preceding)
    calls = history.open_calls(earlier[-1].messages) if earlier else ()
    waited = replace(
        question,
        earlier=earlier,
        left_out=0,
        content=tuple(history.answering(question.content, calls)),
        system=options.system
        if options.system is not None
        else history.system_at(preceding, question.default_system),
    )
    return fitted(waited, settings)


def offered(state: State, ask: Ask) -> tuple[Tool, ...]:
    """The tools of a question: the conversation's and its own; with results by hand those of the question that is answered.

    Raises
    ------
    UsageError
        For a value that is no tool.
    """
    own = [Tool.of(t) for t in ask.options.tool]
    tools = list(state.tools)
    for tool in own if own or ask.results is None else state.offered:
        same = [t for t in tools if t == tool or (t.function is not None and t.function is tool.function)]
        if not same:
            tools.append(tool)
    if ask.options.web and any(t.name == "web_search" for t in tools):
        raise UsageError("--web brings a tool called web_search; rename yours")
    return tuple(tools)


def toolbox_for(world: World, tools: Sequence[Tool], rules: Rules) -> Toolbox:
    """The tools, whose results leave under the same rules as everything else."""
    return Toolbox(
        tools,
        lambda value, label: content.attach(value, label, rules),
        world.confirm,
        redact=lambda text: rules.redact(text)[0],
    )


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


def answered_calls(earlier: Turns, results: Mapping[str, Any] | None, toolbox: Toolbox) -> list[Block]:
    """Results for calls that the last answer left open: given by the user, run already, else said to be missing.

    Raises
    ------
    UsageError
        For an id that no open call has.
    """
    calls = history.open_calls(earlier[-1].messages) if earlier else ()
    if results is not None and not isinstance(results, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError("tool_results takes a dict of results by the id of their call: {id: value}")
    given = dict(results or {})
    unknown = sorted(map(str, set(given) - set(calls)))
    if unknown:
        raise UsageError(f"no open tool call has the id {unknown[0]!r}")
    ran = {b["id"]: b for b in earlier[-1].answer.tools if b.get("result") is not None} if calls else {}
    return [
        toolbox.by_hand(call, given[call])
        if call in given
        else _ran(ran[call])
        if call in ran
        else history.unanswered(call)
        for call in calls
    ]


def _ran(call: Block) -> Block:
    """The result of a Python function that was run while the calls beside it waited for the user."""
    return {
        "type": "tool_result",
        "tool_use_id": call["id"],
        "content": call["result"] or "(no output)",
        **({"is_error": True} if call.get("error") else {}),
    }


def _label(value: Any, namespace: Mapping[str, Any], place: int) -> str:
    """The name a value goes by: its variable, its file name, or its place among the values."""
    if isinstance(value, Path):
        return value.name
    names = [n for n, v in namespace.items() if v is value and not n.startswith("_")]
    return names[0] if names else f"value {place + 1}"


def _notes(attachments: Sequence[Attachment], redacted: Sequence[str]) -> Iterator[str]:
    for a in attachments:
        yield from (f"{a.label}: {note.removeprefix(f'{a.label}: ')}" for note in a.notes)
    if redacted:
        yield f"Redacted in the prompt: {', '.join(redacted)}."

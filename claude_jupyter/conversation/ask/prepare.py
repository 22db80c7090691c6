"""What was asked → a question ready to be sent: its history, attachments and tools. Everything that is wrong is refused here."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from claude_jupyter import content
from claude_jupyter.answer.model import Answer, Attachment, Block, Place
from claude_jupyter.client.events import Request
from claude_jupyter.client.schemas import Returns
from claude_jupyter.content.dispatch import attach_file
from claude_jupyter.content.images.request_limits import hold
from claude_jupyter.content.rules import CONTEXT_SHARE, Rules
from claude_jupyter.content.text.fence import fenced
from claude_jupyter.content.text.token_estimate import tokens_of_text
from claude_jupyter.conversation import history
from claude_jupyter.conversation.ask.context_window import fitted
from claude_jupyter.conversation.ask.question import Question, content_of
from claude_jupyter.conversation.ask.recordings import recording
from claude_jupyter.conversation.ask.request import build, written_again
from claude_jupyter.conversation.ask.run import Exchange
from claude_jupyter.conversation.environment import Environment
from claude_jupyter.conversation.history import System, Turns
from claude_jupyter.conversation.mcp.tools import tool as mcp_tool
from claude_jupyter.conversation.tools.look_tools import tool as look_tool
from claude_jupyter.conversation.tools.toolbox import Tool, Toolbox
from claude_jupyter.conversation.work.proposal import RUN_CELL
from claude_jupyter.costs.usage import TTL, Usage, dollars
from claude_jupyter.errors import UsageError
from claude_jupyter.kernel.inventory import inventory
from claude_jupyter.kernel.look.offered import look_tools
from claude_jupyter.kernel.look.tool import Here
from claude_jupyter.kernel.reading import Reader
from claude_jupyter.models import Model, resolve
from claude_jupyter.options import Options
from claude_jupyter.settings import Settings

_LABEL: Final = re.compile(r"""(?<=<attachment )label=(?:"[^"]*"|'[^']*')""")
TOOL_TEXT: Final = 20_000
"""Tokens of one tool result: nobody sees it before it is paid for, and each round sends it again."""


@dataclass(frozen=True, slots=True)
class QuestionInput:
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
    step
        As in `Question`.
    work
        As in `history.before`.
    """

    prompt: str
    values: tuple[Any, ...]
    options: Options
    labels: Sequence[str] | None
    results: Mapping[str, Any] | None
    number: int
    place: Place
    step: str = ""
    work: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class ChatState:
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


def prepare(env: Environment, state: ChatState, ask: QuestionInput, *, keep_events: bool = False) -> Exchange:
    """The question, ready to run; nothing has been sent.

    Raises
    ------
    ClaudeError
        For whatever can be known to be wrong beforehand.
    """
    options, settings = ask.options, env.settings
    if ask.results is None and not ask.prompt.strip():
        raise UsageError('the question is empty: claude.ask("What is odd about this table?", df)')
    preceding = history.before(state.turns, ask.place, env.layout(), ask.work)
    earlier = () if options.once or options.new else history.live(preceding)
    model = chosen_model(env, state, options)
    rules = rules_for(env, options, model, earlier)
    attachments = attached(env, ask, rules, earlier)
    prompt, options, redacted = _redacted(ask.prompt, options, rules)
    default = state.system._replace(text=rules.redact(state.system.text)[0])
    tools = offered(state, ask)
    page, looks, problems = looking(env, state, ask, rules)
    served, servers = from_servers(env, state, ask, rules)
    toolbox = toolbox_for(env, (*tools, *looks, *served), rules, model)
    returns = Returns(options.returns) if options.returns is not None else None
    question = Question(
        prompt=prompt,
        content=_content(prompt, attachments, answered_calls(earlier, ask.results, toolbox)),
        attachments=(*attachments, *page),
        passing=tuple(b for a in page for b in a.blocks),
        options=options,
        earlier=earlier,
        model=model,
        facts=env.service.catalog.facts(model),
        system=options.system if options.system is not None else history.system_at(preceding, default),
        default_system=default,
        tools=tuple(dict(t.definition) for t in toolbox.tools),
        format=returns.schema if returns is not None else None,
        ttl=state.ttl,
        warm=state.warm,
        step=ask.step,
        expired=state.expired and bool(earlier),
    )
    question = fitted(replace(question, condensable=env.service.condenses), settings)
    switched = _citations_switched(env, question)
    question = replace(question, warm=question.warm and not switched)
    built = build(question, settings)  # what the model does not take is refused before anything is shown
    if not options.dry_run:
        _ask_first(env, question, built[0])
    answer = _unanswered(env, question, state.name, ask.number)
    notes = (*_left_behind(env, state, ask), *_notes(attachments, redacted), *switched, *problems, *servers)
    return Exchange(env, question, answer, toolbox, keep_events, returns, ask.place, notes, built=built)


def _redacted(prompt: str, options: Options, rules: Rules) -> tuple[str, Options, tuple[str, ...]]:
    """The prompt and the options without secrets, and the names of those."""
    prompt, names = rules.redact(prompt)
    if options.system is None:
        return prompt, options, names
    system, more = rules.redact(options.system)  # also as it is kept, for the turns that follow
    return prompt, replace(options, system=system), tuple(dict.fromkeys((*names, *more)))


def _content(prompt: str, attachments: Sequence[Attachment], results: Sequence[Block]) -> tuple[Block, ...]:
    """The blocks of the user's message: results of calls, attachments, the prompt.

    Raises
    ------
    UsageError
        If there is none.
    """
    own = content_of(prompt, attachments) if prompt.strip() else [b for a in attachments for b in a.blocks]
    if not (results or own):
        raise UsageError("no tool call is waiting for a result")
    return (*results, *own)


def _unanswered(env: Environment, question: Question, chat: str, number: int) -> Answer:
    """The answer as it begins."""
    return Answer(
        id=uuid.uuid4().hex,
        chat=chat,
        turn=number,
        model=question.model,
        provider=env.service.provider,
        attachments=question.attachments,
        billed=env.service.provider != "demo",
        once=question.options.once,
        starts=question.options.new,
    )


def _citations_switched(env: Environment, question: Question) -> tuple[str, ...]:
    """What it costs that the chat's documents are sent without citations (or with them again), in one line; empty if nothing."""
    tokens = written_again(question)
    if not tokens:
        return ()
    usage = Usage(cache_write_1h=tokens) if question.ttl == "1h" else Usage(cache_write_5m=tokens)
    cost = env.billing.price(usage, question)
    price = "" if cost is None else f", about {dollars(cost)}"
    how = (
        "--returns does not allow citations, so the earlier documents are sent without them"
        if question.format is not None
        else "The earlier documents are sent with citations again"
    )
    return (f"{how}: about {tokens:,} tokens are written to the cache again{price}.",)


def _ask_first(env: Environment, question: Question, request: Request) -> None:
    """Refuse a missing key or a budget that is used up, and ask about a high price, before anything is shown."""
    if recording(env, question, request) is not None:
        return
    if env.settings.replay == "off":
        env.service.client  # noqa: B018  a missing key is said; recordings need none
    env.billing.ask_first(request, question, env.frontend.confirm)


def chosen_model(env: Environment, state: ChatState, options: Options) -> str:
    """The id of the model that is asked, with what is known of it brought up to date.

    Raises
    ------
    NotFoundError
        For a name that cannot be a model's.
    """
    model = resolve(options.model or state.model or env.settings.model)
    env.service.check(model)
    if not options.dry_run:
        named = (options.effort, options.thinking, options.temperature)
        env.service.learn(model, ask=any(value is not None for value in named))
    return model


def follow(env: Environment, question: Question, turns: Turns, place: Place) -> Question:
    """A question that waited for others: it now follows the turns that are finished."""
    options, preceding = question.options, history.before(turns, place, env.layout())
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
    return fitted(waited, env.settings)


def offered(state: ChatState, ask: QuestionInput) -> tuple[Tool, ...]:
    """The tools of a question: the conversation's and its own; with results by hand those of the question that is answered.

    Raises
    ------
    UsageError
        For a value that is not a tool.
    """
    own = [Tool.of(t) for t in ask.options.tool]
    tools = list(state.tools)
    last = [t for t in state.offered if t.run is None and not t.server]
    for tool in own if own or ask.results is None else last:
        same = [t for t in tools if t == tool or (t.function is not None and t.function is tool.function)]
        if not same:
            tools.append(tool)
    if ask.options.do and not any(t.name == RUN_CELL["name"] for t in tools):
        tools.append(Tool(RUN_CELL))
    if ask.options.web and any(t.name == "web_search" for t in tools):
        raise UsageError("--web adds a tool called web_search; rename yours")
    return tuple(tools)


def looking(
    env: Environment, state: ChatState, ask: QuestionInput, rules: Rules
) -> tuple[tuple[Attachment, ...], tuple[Tool, ...], tuple[str, ...]]:
    """What `--look` adds: the kernel's inventory, the look tools, and a line on each that could not be loaded."""
    requested = ask.options.look
    # Results given by hand continue a question: what it offered is offered on.
    continued = ask.results is not None and any(t.run is not None and not t.server for t in state.offered)
    if not (requested if requested is not None else env.settings.look or continued):
        return (), (), ()

    def here() -> Here:
        return Here(namespace=env.namespace(), rules=bounded(rules), cells=env.records())

    looks, problems = look_tools()
    read = Reader(env.running)
    # What a step or a result changed is told with it; the inventory is in the question already.
    page = (inventory(here()),) if ask.results is None else ()
    return page, tuple(look_tool(look, here, read) for look in looks), problems


def from_servers(
    env: Environment, state: ChatState, ask: QuestionInput, rules: Rules
) -> tuple[tuple[Tool, ...], tuple[str, ...]]:
    """What `--mcp` adds: the tools of those servers, and under `--dry-run` a line on each.

    Raises
    ------
    McpError
        For a server that does not exist, is not allowed, or cannot be started.
    """
    again = [t.server for t in state.offered if t.server] if ask.results is not None else []
    names = list(dict.fromkeys((*ask.options.mcp, *again)))
    if not names:
        return (), ()
    servers = env.mcp
    if servers is None:
        raise UsageError("there are no MCP servers outside of a kernel")
    within = bounded(rules)
    tools: list[Tool] = []
    lines: list[str] = []
    for name in names:
        entry = servers.entry(name)
        if ask.options.dry_run and entry not in servers.agreements:
            lines.append(
                f"MCP server {name}: its tools are not counted; it would {servers.words(entry)}, once "
                f"%claude_mcp allow {name} has allowed it."
            )
            continue
        servers.agreed(entry, env.frontend.confirm)
        connection, served = servers.tools(entry)
        tools += (
            mcp_tool(connection, each, lambda value, label: content.attach(value, label, within), rules)
            for each in served
        )
        if ask.options.dry_run:
            count = f"{len(served)} tool{'' if len(served) == 1 else 's'}"
            lines.append(f"MCP server {name}: {count}, whose calls would {servers.words(entry)}.")
    return tuple(tools), tuple(lines)


def bounded(rules: Rules) -> Rules:
    """The rules for what tools give: unlike an attachment, nobody chose to send a long text whole, or to have it cited."""
    tokens = rules.text_tokens if rules.text_tokens is not None else TOOL_TEXT
    return replace(rules, text_tokens=tokens, documents=False)


def toolbox_for(env: Environment, tools: Sequence[Tool], rules: Rules, model: str) -> Toolbox:
    """The tools, whose results leave under the same rules as everything else, and no longer than `TOOL_TEXT` if not set otherwise."""
    within = bounded(rules)

    def price(tokens: int) -> str:
        cost = env.billing.list_price(Usage(input=tokens), model)
        return "" if cost is None else dollars(cost)

    return Toolbox(
        tools,
        lambda value, label: content.attach(value, label, within),
        env.frontend.confirm,
        redact=lambda text: rules.redact(text)[0],
        rules=rules,
        price=price,
    )


def rules_for(env: Environment, options: Options, model: str, earlier: Turns) -> Rules:
    """Under which rules the values of this question are shown."""
    settings = env.settings
    return Rules(
        model=env.service.catalog.facts(model),
        provider=env.service.provider,
        rows=options.rows or str(settings.rows),
        frame_tokens=settings.frame_tokens,
        text_tokens=settings.text_tokens,
        room=room_for_attachments(settings, options, env.service.catalog.facts(model)),
        redact=env.redact,
        formatted=env.frontend.formatted,
        thumbnails=settings.thumbnails,
        figure_data=settings.figure_data,
        citations=options.returns is None,
        images_before=history.images_in(m for t in earlier for m in t.messages),
    )


def room_for_attachments(settings: Settings, options: Options, model: Model) -> int:
    """Tokens of the context that the answer does not take; if they are needed, the oldest turns make way (`fitted`)."""
    answer = min(options.max_tokens or settings.max_tokens, model.max_output)
    return max(int(model.context * CONTEXT_SHARE) - answer, 1000)


def attached(env: Environment, ask: QuestionInput, rules: Rules, earlier: Turns) -> tuple[Attachment, ...]:
    """Everything the question points at, none twice.

    Raises
    ------
    ClaudeError
        For a value or file that cannot be shown, or rows in the history that `--rows none` forbids.
    """
    if rules.rows == "none" and any(a.rows for t in earlier for a in t.answer.attachments):
        raise UsageError("--rows none, but earlier turns of this chat contain rows: use -n or --once.")
    attachments = pointed_at(env, ask, rules)
    if rules.room is not None and sum(a.tokens for a in attachments) > rules.room:
        attachments = pointed_at(env, ask, replace(rules, room=share_of_text(attachments, rules.room)))
    return hold(_once(attachments), (m for t in earlier for m in t.messages), rules)


def _once(attachments: Sequence[Attachment]) -> list[Attachment]:
    """The attachments without repetition; what has a second name (`df` and `table`, `fig` and `ax`) is named again, not sent again.

    Members of one list stay as they are: how many there are is told by them.
    """
    once: list[Attachment] = []
    contents: list[tuple[Attachment, list[Block]]] = []
    for a in attachments:
        if any(a.blocks == k.blocks for k in once):
            continue
        content = _unlabeled(a)
        same = next(
            (k for k, earlier in contents if earlier == content and not _siblings(k.label, a.label)), None
        )
        text = fenced(f"The same as {same.label}.", a.label, a.kind) if same is not None else ""
        if same is None or tokens_of_text(text) >= a.tokens:
            once.append(a)
            contents.append((a, content))
            continue
        blocks: tuple[Block, ...] = ({"type": "text", "text": text},)
        once.append(
            Attachment(a.label, a.kind, blocks, f"same as {same.label}", tokens_of_text(text), rows=a.rows)
        )
    return once


def _siblings(one: str, other: str) -> bool:
    """Whether two labels name members of the same list: `pictures[0]`, `pictures[1]`."""
    return "[" in one and one.split("[")[0] == other.split("[")[0]


def _unlabeled(attachment: Attachment) -> list[Block]:
    return [{**b, "text": _LABEL.sub("", b["text"])} if b["type"] == "text" else b for b in attachment.blocks]


def share_of_text(attachments: Sequence[Attachment], room: int) -> int:
    """The most tokens of one text so that all of the attachments fit: short texts stay whole, the long ones share what is left."""
    texts = sorted(a.tokens for a in attachments if _is_text(a))
    remaining = max(room - sum(a.tokens for a in attachments) + sum(texts), 0)
    for position, tokens in enumerate(texts):
        share = remaining // (len(texts) - position)
        if tokens > share:
            return max(share, 100)
        remaining -= tokens
    return room


def _is_text(attachment: Attachment) -> bool:
    """Whether it is a text that can be shortened: a PDF cannot."""
    last: Block = attachment.blocks[-1] if attachment.blocks else {}
    is_document = attachment.kind == "document" and (last.get("source") or {}).get("type") == "text"
    return attachment.kind == "text" or is_document


def pointed_at(env: Environment, ask: QuestionInput, rules: Rules) -> list[Attachment]:
    """Values, files and cells that the question points at, in order.

    Raises
    ------
    ClaudeError
        For what cannot be shown.
    """
    options = ask.options
    attachments: list[Attachment] = []
    for i, value in enumerate(ask.values):
        if isinstance(value, Attachment):
            attachments.append(value)
            continue
        label = ask.labels[i] if ask.labels is not None else _label(value, env.namespace(), i)
        attachments.extend(content.attach(value, label, rules))
    for path in options.file:
        attachments.extend(attach_file(path, rules))
    cells = env.cells
    if cells is None and (options.plots or options.last or options.error or options.cell):
        raise UsageError(
            "there are no cells to point at: --plots, --last, --cell and --error need %load_ext claude_jupyter first"
        )
    if cells is not None:
        attachments.extend(cells.plots(options.plots, rules) if options.plots else ())
        if options.last == "all":
            attachments.extend(cells.every_cell(rules, env.settings.context_tokens))
        elif options.last:
            attachments.extend(cells.last_cells(options.last, rules))
        attachments.extend(cells.pointed(options.cell, rules) if options.cell else ())
        attachments.extend(cells.last_error(rules) if options.error else ())
    return attachments


def answered_calls(earlier: Turns, results: Mapping[str, Any] | None, toolbox: Toolbox) -> list[Block]:
    """Results for calls that the last answer left open: given by the user, run already, else said to be missing.

    Raises
    ------
    UsageError
        For an id that no open call has.
    """
    calls = history.open_calls(earlier[-1].messages) if earlier else ()
    if results is not None and not isinstance(results, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError("tool_results must be a dict with the result of each call by its id: {id: value}")
    by_call = dict(results or {})
    unknown = sorted(map(str, set(by_call) - set(calls)))
    if unknown:
        raise UsageError(f"no tool call with this id is waiting for a result: {unknown[0]!r}")
    ran = {b["id"]: b for b in earlier[-1].answer.tools if b.get("result") is not None} if calls else {}
    return [
        toolbox.by_hand(call, by_call[call])
        if call in by_call
        else _ran(ran[call])
        if call in ran
        else history.unanswered(call)
        for call in calls
    ]


def _ran(call: Block) -> Block:
    """The result of a Python function that was run while the calls next to it waited for the user."""
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


def _left_behind(env: Environment, state: ChatState, ask: QuestionInput) -> Iterator[str]:
    """Said once, with the first question of a kernel: what the notebook shows is not what Claude is told."""
    first = not state.turns and ask.number == 1 and not ask.options.once
    if first and env.left_behind(state.name, ask.place.cell):
        yield "The earlier answers of this notebook are not in this conversation; `claude.restore()` brings them back."


def _notes(attachments: Sequence[Attachment], redacted: Sequence[str]) -> Iterator[str]:
    for a in attachments:
        yield from (f"{a.label}: {note.removeprefix(f'{a.label}: ')}" for note in a.notes)
    if redacted:
        yield f"Redacted in the prompt: {', '.join(redacted)}."

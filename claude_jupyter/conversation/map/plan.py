"""Plans one prompt over many rows before anything is sent: the shared part, each row's question, and kept answers."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

from claude_jupyter import content
from claude_jupyter.answer.model import Answer, Attachment, Place
from claude_jupyter.client.events import Request
from claude_jupyter.client.schemas import Returns, is_dataframe
from claude_jupyter.content.rules import Rules
from claude_jupyter.conversation.ask.prepare import (
    ChatState,
    QuestionInput,
    attached,
    chosen_model,
    offered,
    rules_for,
    toolbox_for,
)
from claude_jupyter.conversation.ask.question import Question, content_of, prompt_of
from claude_jupyter.conversation.ask.request import build
from claude_jupyter.conversation.ask.run import Exchange
from claude_jupyter.conversation.environment import Environment
from claude_jupyter.conversation.history import system_at
from claude_jupyter.conversation.map.results import Results
from claude_jupyter.conversation.map.rows import NamedCells, Rows, fill_row
from claude_jupyter.conversation.store.recording_files import request_hash
from claude_jupyter.conversation.tools.toolbox import Tool
from claude_jupyter.costs.usage import TTL
from claude_jupyter.errors import AttachmentError, ContentTooLargeError, UsageError
from claude_jupyter.options import Options

_POINTLESS: Final = ("chat", "background", "out", "code", "new", "dry_run")


class Row(NamedTuple):
    """One row to be asked about."""

    at: int
    key: str
    question: Question


class Backlog(NamedTuple):
    """What there is to do.

    Attributes
    ----------
    keys
        The request's hash of every row; equal requests have equal ones and are asked once.
    sizes
        Prompt tokens, estimated, of every different request that has no kept answer, by key.
    problems
        Why rows cannot be asked about at all, by key: a file that is not there, a picture that cannot be read.
    """

    keys: tuple[str, ...]
    sizes: Mapping[str, int]
    problems: Mapping[str, str]

    @property
    def missing(self) -> int:
        """How many distinct requests have no kept answer."""
        return len(self.sizes)

    @property
    def tokens(self) -> int:
        """Prompt tokens of those, estimated."""
        return sum(self.sizes.values())


@dataclass(frozen=True)
class Plan:
    """A map that is ready to run.

    Attributes
    ----------
    place
        The cell that asks; the threads that send cannot know it.
    turn
        The number that all its ledger rows carry.
    """

    env: Environment
    place: Place
    rows: Rows
    prompt: str
    options: Options
    chat: str
    turn: int
    model: str
    system: str
    tools: tuple[Tool, ...]
    returns: Returns | None
    rules: Rules
    shared: tuple[Attachment, ...]
    ttl: TTL | None
    provider: str
    _redacted: dict[str, str] = field(default_factory=dict[str, str])

    def rows_of(self, backlog: Backlog, keys: Iterable[str]) -> Iterator[Row]:
        """The rows with these keys, equal requests once; questions are made when needed, so that none is held."""
        remaining = set(keys)
        for at, row in enumerate(self.rows.each()):
            if not remaining:
                break
            if (key := backlog.keys[at]) in remaining:
                remaining.remove(key)
                yield Row(at, key, self._question(row))

    def results(self, *, afresh: bool = False) -> Results:
        """The kept answers to questions of this kind; none if everything is asked again."""
        params = build(replace(self._bare, content=({"type": "text", "text": "-"},)), self.env.settings)[
            0
        ].params
        shared = {k: v for k, v in params.items() if k != "messages"}
        kind = request_hash({"prompt": self.prompt, "provider": self.provider, "request": shared})
        return Results(self.env.journal, kind, afresh=afresh)

    def backlog(self, results: Results) -> Backlog:
        """What is kept and what has to be asked.

        Raises
        ------
        ClaudeError
            For whatever can be known in advance to be wrong.
        """
        keys: list[str] = []
        sizes: dict[str, int] = {}
        problems: dict[str, str] = {}
        for at, row in enumerate(self.rows.each()):
            try:
                question = self._question(row)
            except (AttachmentError, ContentTooLargeError) as error:
                keys.append(f"row {at}")
                problems[keys[-1]] = error.message
                continue
            key = request_hash(build(question, self.env.settings)[0].params)
            keys.append(key)
            if key not in results and key not in sizes:
                sizes[key] = prompt_of(question).prompt
        return Backlog(tuple(keys), sizes, problems)

    def exchange(self, question: Question) -> Exchange:
        """The question, ready to run."""
        answer = Answer(
            id=uuid.uuid4().hex,
            chat=self.chat,
            turn=self.turn,
            model=self.model,
            provider=self.provider,
        )
        toolbox = toolbox_for(self.env, self.tools, self.rules, self.model)
        return Exchange(self.env, question, answer, toolbox, returns=self.returns, place=self.place)

    @property
    def shares(self) -> bool:
        """Whether what the requests share is long enough to be cached: then the first is waited for."""
        if self.ttl is None:
            return False
        own = sum(a.tokens for a in self.shared)
        text = next((fill_row(self.prompt, row).shared for row in self.rows.each()), "")
        fixed = prompt_of(replace(self._bare, content=({"type": "text", "text": text},)))
        return own + fixed.prompt >= self._bare.facts.cacheable

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields of a structured result, each a column of a frame."""
        return self.returns.fields if self.returns is not None else ()

    @property
    def _bare(self) -> Question:
        return Question(
            prompt=self.prompt,
            content=(),
            options=self.options,
            model=self.model,
            facts=self.env.service.catalog.facts(self.model),
            system=self.system,
            tools=tuple(dict(t.definition) for t in self.tools),
            format=self.returns.schema if self.returns is not None else None,
            ttl=self.ttl,
            apart=True,
        )

    def _question(self, row: NamedCells) -> Question:
        filled = fill_row(self.prompt, row)
        own = tuple(a for name, value in filled.values for a in content.attach(value, name, self.rules))
        text = self.rules.redact(filled.text)[0]
        blocks: tuple[Any, ...] = ()
        if filled.shared:
            blocks = content_of(self._redact_once(filled.shared), self.shared)
            if self.ttl is not None:
                control = {"type": "ephemeral", **({"ttl": "1h"} if self.ttl == "1h" else {})}
                blocks = (*blocks[:-1], {**blocks[-1], "cache_control": control})
            attached_blocks = tuple(b for a in own for b in a.blocks)
            blocks = (*blocks, *attached_blocks, *([{"type": "text", "text": text}] if text else []))
        else:
            blocks = content_of(text, (*self.shared, *own))
        return replace(
            self._bare, prompt=text or filled.shared, content=blocks, attachments=(*self.shared, *own)
        )

    def _redact_once(self, text: str) -> str:
        if text not in self._redacted:
            self._redacted[text] = self.rules.redact(text)[0]
        return self._redacted[text]


def planned(
    env: Environment, state: ChatState, number: int, values: Any, prompt: str, options: Options
) -> Plan:
    """A plan from what was asked.

    Raises
    ------
    ClaudeError
        For whatever can be known in advance to be wrong; nothing is sent.
    """
    _refuse(prompt, options)
    model = chosen_model(env, state, options)
    rules = rules_for(env, options, model, ())
    if rules.rows == "none":
        raise UsageError(
            'rows = none keeps rows on this machine, and map sends them: allow it with rows="all"'
        )
    rows = Rows.of(values)
    returns = Returns(options.returns) if options.returns is not None else None
    rows.refuse_slips(prompt)
    rows.refuse_taken(returns.fields if returns is not None else ())
    system = options.system if options.system is not None else system_at(state.turns, state.system)
    ask = QuestionInput(prompt, (), options, None, None, number, env.frontend.place())
    tools = offered(state, ask)
    if confirmed := [t.name for t in tools if t.confirm]:
        raise UsageError(f"map cannot ask for approval, which {confirmed[0]} needs (confirm=True)")
    shared = attached(env, ask, rules, ())
    cache = env.settings.cache
    # Having the service count each prompt would be one more request per row.
    billing = replace(env.billing, count=_uncounted)
    return Plan(
        env=replace(env, billing=billing),
        place=env.frontend.place(),
        rows=rows,
        prompt=prompt,
        options=options,
        chat=state.name,
        turn=number,
        model=model,
        system=rules.redact(system)[0],
        tools=tools,
        returns=returns,
        rules=rules,
        shared=shared,
        ttl=None if cache == "off" else "1h" if cache == "1h" else "5m",
        provider=env.service.provider,
    )


def _refuse(prompt: str, options: Options) -> None:
    """Refuse options that have no meaning for many rows, and a prompt that is none."""
    for name in _POINTLESS:
        if getattr(options, name):
            raise UsageError(f"map does not accept {name}=: it returns the results of all rows")
    if is_dataframe(options.returns):
        raise UsageError(
            'map does not accept returns="dataframe": each row has one result, so use a model with its fields'
        )
    if not isinstance(prompt, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise UsageError(
            f'the prompt must be text, not {type(prompt).__name__}: claude.map(df, "What is {{column}} about?")'
        )
    if not prompt.strip():
        raise UsageError('the prompt is empty: claude.map(df, "What is {column} about?")')


def _uncounted(_request: Request) -> int | None:
    return None

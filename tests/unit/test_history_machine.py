"""Whatever a user does, in any order, the history stays valid for the service and nothing that was paid for is lost.

A state machine asks, stops, fails, re-runs, undoes, forks, hides, calls tools, switches models and more, against the demo server,
which refuses what the service refuses. `MACHINE_EXAMPLES=500` runs so many examples instead of the few of every day.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.world import Stage, stage

from claude_jupyter.answer.model import Answer
from claude_jupyter.client import service
from claude_jupyter.conversation import history
from claude_jupyter.conversation.ask.request import build
from claude_jupyter.conversation.conversation import Conversation
from claude_jupyter.conversation.store.journal import Journal
from claude_jupyter.demo.oracle.request_rules import VERSION, check
from claude_jupyter.demo.script import Call, Cut, Event, Say, Script, Search, Think, Whole
from claude_jupyter.errors import BadRequestError, ClaudeError, UsageError
from claude_jupyter.options import Options

EXAMPLES = int(os.environ.get("MACHINE_EXAMPLES", "14"))
STEPS = 40
MODELS = ("sonnet", "haiku", "opus", "claude-opus-4-8", "claude-haiku-4-5", "fable")
LOOK = {"name": "look", "description": "Look.", "input_schema": {"type": "object", "properties": {}}}
AT_ONCE = {"retry-after-ms": "1"}

PLAIN = [Script(text="Fine."), Script(thinking="Hm.", text="Thought."), Script(thinking="", text="Signed.")]
ODD = [
    Script(),
    Script(text=" \n"),
    Script(thinking="Only thinking."),
    Script(pieces=[Think("One."), Say("a"), Say(""), Say("b")]),
    Script(pieces=[Whole({"type": "redacted_thinking", "data": "AAAA"}), Say("Hidden.")]),
    Script(thinking="Hm.", text="Half", stop_reason="max_tokens"),
    Script(thinking="All of it went here.", stop_reason="max_tokens"),
    Script(thinking="Hm.", calls=[Call("echo", {"text": "x"})], stop_reason="max_tokens"),
    Script(text="Full", stop_reason="model_context_window_exceeded"),
    Script(text="Stop", stop_reason="stop_sequence"),
]
FAULTS = [
    Script(thinking="Hm.", text="A text that is cut somewhere.", cut=900),
    Script(thinking="Hm.", text="A text that is cut somewhere.", cut=1500),
    Script(thinking="Hm.", calls=[Call("echo", {"text": "x" * 50})], cut=1700),
    Script(text="x", cut=0),
    Script(thinking="Hm.", text="A text that ends cleanly.", end=1300),
    Script(thinking="Hm.", text="Then an error.", fail=("overloaded_error", "Overloaded")),
    Script(fail=("overloaded_error", "Overloaded")),
    Script(status=529, headers=AT_ONCE),
    Script(status=500, headers=AT_ONCE),
    Script(status=429, headers={"retry-after": "500"}),
    Script(stop_reason="refusal"),
    Script(text="I begin, but", stop_reason="refusal"),
    Script(raw=b"<html>", content_type="text/html"),
    Script(pieces=[Say("a"), Event("ping", {"type": "ping"}), Say.of("b", Cut())]),
]
SEARCH = Search("q", (("Title", "https://example.org/", "Words."),))
WEB = [
    Script(pieces=[Think("Hm."), SEARCH, Think("Ah."), Say("Found.")]),
    Script(pieces=[Think("Hm."), SEARCH, Think("Ah."), Say("Found a lot of things.")], cut=2600),
    Script(pieces=[Search("q", error="max_uses_exceeded"), Say("Not found.")]),
    Script(pieces=[Think("Hm."), SEARCH], stop_reason="pause_turn"),
]
CALLS = [
    Script(thinking="Hm.", text="Wait.", calls=[Call("echo", {"text": "x"})]),
    Script(thinking="Hm.", calls=[Call("echo", {"text": "x"}), Call("fails", {}), Call("nobody", {})]),
    Script(thinking="Hm.", calls=[Call("echo", {"wrong": 1}), Call("echo", json='{"text": "un')]),
    Script(thinking="Hm.", calls=[Call("stops", {}), Call("echo", {"text": "after"})]),
    Script(calls=[Call("frame", {})]),
]
OPEN = [
    Script(thinking="Hm.", calls=[Call("look", {})]),
    Script(thinking="Hm.", text="Both.", calls=[Call("look", {}), Call("look", {})]),
    Script(thinking="Hm.", calls=[Call("echo", {"text": "x"}), Call("look", {})]),
]
STRUCTURED = [Script(text='{"value": 3}'), Script(text="three"), Script(thinking="Hm."), Script()]


class Talk(RuleBasedStateMachine):
    """A user with two or three chats and four cells."""

    def __init__(self) -> None:
        super().__init__()
        self._folder = TemporaryDirectory()
        self.folder = Path(self._folder.name)
        self.script: list[Script] = []
        self.stop_at: int | None = None
        self.executions = 0
        self.saved: list[Path] = []
        self.snapshots: dict[str, list[Any]] = {}
        self._stage = stage(self._reply, pace=0.0, first=0.0)
        self.stage: Stage = self._stage.__enter__()
        self.stage.settings.max_retries = 1
        self.stage.env.journal = Journal(self.folder / "journal", "k", "a.ipynb", lambda: "on", pytest.fail)
        self.stage.view.at_part = self._at_part
        self.chat: Conversation = self.stage.claude
        self.forks = 0

    def teardown(self) -> None:
        self.stage.env.background.stop_all()
        self._stage.__exit__(None, None, None)
        self._folder.cleanup()

    # -- the world ------------------------------------------------------------------------------------------------------

    def _reply(self, _body: Any) -> Script:
        return self.script.pop(0) if self.script else PLAIN[1]

    def _at_part(self, _part: Any) -> None:
        if self.stop_at is not None:
            self.stop_at -= 1
            if self.stop_at < 0:
                self.stage.stops[-1].request()

    def _tools(self) -> list[Any]:
        def echo(text: str) -> str:
            """Echo."""
            return text

        def fails() -> str:
            """Fail."""
            raise SystemExit("no")

        def stops() -> str:
            """Be stopped."""
            self.stage.stops[-1].request()
            return "stopped"

        def frame() -> Any:
            """A table."""
            return {"a": [1, 2]}

        return [echo, fails, stops, frame]

    # -- asking ---------------------------------------------------------------------------------------------------------

    def _attempt(self, work: Callable[[], Any]) -> Answer | None:
        """Do it; errors are fine, but for a request that the service refuses."""
        before, paid = self.stage.server.usage, self.chat.usage
        asked = len(self.stage.server.requests)
        try:
            work()
        except BadRequestError as error:
            pytest.fail(f"the service refused: {error}")
        except ClaudeError:
            pass
        finally:
            self.script, self.stop_at = [], None
        requests = self.stage.server.requests[asked:]
        if not requests:
            return None
        answer = self.chat.last
        assert answer is not None
        if answer.complete and all(r.status == 200 for r in requests):
            deadline = time.monotonic() + 2
            while not all(r.finished for r in requests) and time.monotonic() < deadline:
                time.sleep(0.001)
            counted = self.stage.server.usage
            mine = self.chat.usage
            assert mine.total - paid.total == counted.total - before.total, (
                "what was counted is not what was told"
            )
        return answer

    def _ask(self, script: list[Script], **options: Any) -> None:
        self.script = list(script)
        answer = self._attempt(lambda: self.chat.ask("question", **options))
        if answer is not None and not options.get("once") and answer.text.strip():
            self._not_lost(answer, script)

    def _not_lost(self, answer: Answer, script: list[Script]) -> None:
        if any(s.stop_reason == "refusal" for s in script):
            return
        kept = [
            *self.chat.turns,
            *(t for past in self.chat._chat._past for t in past),
            self.chat._chat.broken,
        ]
        assert any(t is not None and t.answer.id == answer.id for t in kept), "an answer was lost"

    @initialize(model=st.sampled_from(MODELS))
    def begin(self, model: str) -> None:
        self.chat.model = model

    @rule(script=st.sampled_from(PLAIN), new=st.booleans(), system=st.sampled_from([None, None, "Be brief."]))
    def asks(self, script: Script, new: bool, system: str | None) -> None:
        self._ask([script], new=new, system=system)

    @rule(script=st.sampled_from(PLAIN))
    def asks_once(self, script: Script) -> None:
        self._ask([script], once=True)

    @rule(script=st.sampled_from(ODD), new=st.booleans())
    def odd_answer(self, script: Script, new: bool) -> None:
        self._ask([script], new=new)

    @rule(faults=st.lists(st.sampled_from(FAULTS), min_size=1, max_size=2))
    def fault(self, faults: list[Script]) -> None:
        self._ask(faults)

    @rule(script=st.sampled_from([*PLAIN, *WEB]), at=st.integers(0, 12))
    def stops(self, script: Script, at: int) -> None:
        self.stop_at = at
        self._ask([script], web=True)

    @rule(scripts=st.lists(st.sampled_from([*WEB, *ODD, PLAIN[1]]), min_size=1, max_size=4))
    def searches(self, scripts: list[Script]) -> None:
        self._ask(scripts, web=True)

    @rule(
        scripts=st.lists(st.sampled_from([*CALLS, *CALLS, *ODD, *FAULTS]), min_size=1, max_size=4),
        at=st.one_of(st.none(), st.integers(0, 20)),
    )
    def tools(self, scripts: list[Script], at: int | None) -> None:
        self.stop_at = at
        self._ask(scripts, tool=self._tools())

    @rule(script=st.sampled_from(OPEN), mixed=st.booleans(), new=st.booleans())
    def leaves_a_call_open(self, script: Script, mixed: bool, new: bool) -> None:
        self._ask([script], tool=[LOOK, *(self._tools() if mixed else ())], new=new)

    @rule(
        prompt=st.sampled_from([None, "And?"]),
        script=st.sampled_from([*PLAIN, *OPEN, *FAULTS]),
        few=st.booleans(),
    )
    def answers_by_hand(self, prompt: str | None, script: Script, few: bool) -> None:
        turns = self.chat.turns
        calls = (
            [b["id"] for b in turns[-1].messages[-1]["content"] if b["type"] == "tool_use"] if turns else []
        )
        self.script = [script]
        results = dict.fromkeys(calls[: 1 if few else None], "a cat")
        self._attempt(lambda: self.chat.ask(prompt, tool_results=results, tool=LOOK))

    @rule(scripts=st.lists(st.sampled_from(STRUCTURED), min_size=1, max_size=2))
    def structured(self, scripts: list[Script]) -> None:
        self._ask(scripts, returns=int)

    @rule(scripts=st.lists(st.sampled_from([*PLAIN, *ODD, *FAULTS, *OPEN]), min_size=2, max_size=3))
    def several_at_once(self, scripts: list[Script]) -> None:
        self.script = list(scripts)

        async def gather() -> None:
            asked = [self.chat.aask(f"at once {i}", tool=LOOK) for i in range(len(scripts))]
            for outcome in await asyncio.gather(*asked, return_exceptions=True):
                if isinstance(outcome, BadRequestError):
                    pytest.fail(f"the service refused: {outcome}")
                if isinstance(outcome, BaseException) and not isinstance(outcome, ClaudeError):
                    raise outcome

        asyncio.run(gather())
        self.script = []

    @rule(scripts=st.lists(st.sampled_from([*PLAIN, *ODD, *FAULTS, *OPEN]), min_size=1, max_size=3))
    def in_the_background(self, scripts: list[Script]) -> None:
        self.script = list(scripts)
        systems = ["Be kind.", None, None]
        for i in range(len(scripts)):
            self.chat.ask(f"later {i}", tool=LOOK, background=True, system=systems[i])
        deadline = time.monotonic() + 20
        while not self.stage.env.background.is_idle and time.monotonic() < deadline:
            time.sleep(0.002)
        assert self.stage.env.background.is_idle
        self.script = []

    @rule(script=st.sampled_from([*PLAIN, *ODD, *CALLS]), take=st.integers(0, 3))
    def streams(self, script: Script, take: int) -> None:
        self.script = [script]

        def read() -> None:
            with self.chat.stream("q", tool=self._tools()) as stream:
                for n, _ in enumerate(stream):
                    if n == take:
                        break

        self._attempt(read)

    @rule(script=st.sampled_from([*PLAIN, *ODD, *FAULTS]))
    def resumes(self, script: Script) -> None:
        self.script = [script]
        self._attempt(self.chat.resume)

    # -- the notebook ---------------------------------------------------------------------------------------------------

    @rule(cell=st.sampled_from(["a", "b", "c", None]))
    def runs_a_cell(self, cell: str | None) -> None:
        self.executions += 1
        self.stage.run(cell, str(self.executions))  # type: ignore[arg-type]

    @rule(cells=st.lists(st.sampled_from(["a", "b", "c", "d"]), min_size=1, max_size=4, unique=True))
    def moves_deletes_and_brings_back_cells(self, cells: list[str]) -> None:
        self.stage.lay_out(*cells)

    @rule(cell=st.sampled_from(["a", "b", "c"]))
    def deletes_a_cell_where_no_page_of_ours_tells(self, cell: str) -> None:
        self.stage.page.hear({"deletedCells": [cell]})

    @rule(model=st.sampled_from(MODELS))
    def switches_model(self, model: str) -> None:
        self.chat.model = model

    @rule(system=st.sampled_from(["You are terse.", "", None]))
    def changes_the_system_prompt(self, system: str | None) -> None:
        self.chat.system = system

    @rule(on=st.booleans())
    def offers_a_tool_for_good(self, on: bool) -> None:
        def always(text: str) -> str:
            """Always there."""
            return text

        self.chat._chat.tools = []
        if on:
            self.chat.tool(always)

    @rule(cache=st.sampled_from(["auto", "5m", "1h", "off"]))
    def changes_caching(self, cache: str) -> None:
        self.stage.settings.cache = cache

    # -- editing --------------------------------------------------------------------------------------------------------

    @rule(n=st.integers(1, 3))
    def undoes(self, n: int) -> None:
        past = [*self.chat._chat._past]
        try:
            self.chat.undo(n)
        except UsageError:
            assert n > len(past)
        else:
            assert self.chat.turns == history.arranged(past[-n], self.stage.page.layout)

    @rule(n=st.integers(0, 100))
    def hides(self, n: int) -> None:
        if self.chat.turns:
            self.chat.hide(1 + n % len(self.chat.turns))

    @rule(script=st.sampled_from([*PLAIN, *ODD, *FAULTS]))
    def compacts(self, script: Script) -> None:
        self.script = [script]
        self._attempt(self.chat.compact)

    @rule()
    def clears(self) -> None:
        before = self.chat.turns
        self.chat.clear()
        if len(before) > 2:
            self.chat.undo()
            assert self.chat.turns == before

    @rule()
    def forks(self) -> None:
        self.forks += 1
        self.chat = self.chat.fork(f"fork {self.forks}")

    @rule(n=st.integers(0, 100))
    def goes_to_another_chat(self, n: int) -> None:
        names = sorted(self.chat.chats)
        self.chat = self.chat.chats[names[n % len(names)]]

    @rule()
    def saves_and_loads(self) -> None:
        path = self.chat.save(self.folder / f"{len(self.saved)}.json")
        before = self.chat.turns
        self.chat.replace_by(path)
        assert [t.messages for t in self.chat.turns] == [t.messages for t in before]
        assert [(t.digest, t.prefix, t.hidden, t.starts) for t in self.chat.turns] == [
            (t.digest, t.prefix, t.hidden, t.starts) for t in before
        ]
        self.saved.append(path)

    @rule()
    def loads_an_older_one(self) -> None:
        if self.saved:
            self.chat.replace_by(self.saved[0])

    @rule()
    def restores_from_the_journal(self) -> None:
        before = [(t.answer.id, t.hidden) for t in self.chat.turns]
        if before:
            self.chat.restore()
            restored = [(t.answer.id, t.hidden) for t in self.chat.turns]
            assert restored == before or (self.stage.page.layout.order and sorted(restored) == sorted(before))

    # -- what must hold -------------------------------------------------------------------------------------------------

    @invariant()
    def the_service_would_take_the_next_question(self) -> None:
        for chat in set(self.chat.chats.values()):
            for options in ({}, {"tool": LOOK}, {"web": True}):
                if chat is not self.chat and options:
                    continue
                exchange = chat._asker.prepared("probe", (), Options.of(**options))
                request, _, _ = build(exchange.question, self.stage.settings)
                check({**request.params, "stream": True}, {"anthropic-version": VERSION})

    @invariant()
    def the_history_of_a_cell_is_that_of_the_cells_above(self) -> None:
        layout, cell = self.stage.page.layout, self.stage.place.cell
        assert all(t.deleted == (t.cell in layout.deleted) for t in self.chat.turns if t.cell)
        if cell not in layout.order:
            return
        earlier = self.chat._asker.prepared("probe", (), Options.of()).question.earlier
        assert not any(t.deleted for t in earlier)
        told = [layout.order.index(t.cell) for t in earlier if t.cell in layout.order]
        assert told == sorted(told) and all(at <= layout.order.index(cell) for at in told)
        assert all(t.execution == self.stage.place.execution for t in earlier if t.cell == cell)

    @invariant()
    def turns_are_whole(self) -> None:
        for turn in self.chat.turns:
            roles = [m["role"] for m in turn.messages]
            assert roles == ["user", "assistant"] * (len(roles) // 2), roles
            assert all(m["content"] for m in turn.messages)
        assert not [t for t in threading.enumerate() if t.name == "claude-wire" and not self._leaving(t)]

    def _leaving(self, thread: threading.Thread) -> bool:
        thread.join(5)
        return not thread.is_alive()

    @invariant()
    def no_request_was_refused(self) -> None:
        refused = [r for r in self.stage.server.requests if 400 <= r.status < 429]
        assert not refused, refused[0].status


TestTalk = Talk.TestCase
TestTalk.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=STEPS,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # shrinking so many requests would take minutes
    database=None,
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    # The pace of repainting is not what is looked at here.
    monkeypatch.setattr(service, "TICK", 0.001)

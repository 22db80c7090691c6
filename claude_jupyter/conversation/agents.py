"""What a coding agent can do in this kernel through `claude-jupyter mcp`: look around, and propose a cell. Results are plain JSON."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from claude_jupyter.answer.model import Answer
from claude_jupyter.client.transport import Stop
from claude_jupyter.content.rules import Rules
from claude_jupyter.conversation.ask.prepare import bounded, rules_for, toolbox_for
from claude_jupyter.conversation.environment import Environment
from claude_jupyter.conversation.tools.look_tools import tool as look_tool
from claude_jupyter.conversation.work import driver
from claude_jupyter.conversation.work.proposal import ProposalError, proposed
from claude_jupyter.conversation.work.step_result import outcome_attachment
from claude_jupyter.conversation.work.work import Reply as WorkReply
from claude_jupyter.conversation.work.work import Step, Work
from claude_jupyter.errors import ClaudeError, UsageError
from claude_jupyter.kernel.look.offered import look_tools
from claude_jupyter.kernel.look.tool import Here
from claude_jupyter.kernel.reading import Reader
from claude_jupyter.models import MODELS
from claude_jupyter.options import Options

RUN_CELL: Final = "run_cell"
OUTCOME: Final = "outcome"
"""What the server asks for the outcome of a proposed cell; no tool of the agent's."""
_WHO: Final = "the user runs, edits or skips it. Nothing has run yet."
_NOT_RUN: Final = "The user did not run the cell. Nothing ran."
_INTERRUPTED: Final = "The user interrupted the cell while it ran."

_WAITING: Final = 5
"""Cells of agents that may wait at once."""
_KEPT: Final = 20
"""Outcomes that are kept for agents that ask for them."""
_CALL: Final = "agent"

Put = Callable[[str, Callable[[], bool]], None]
"""Puts a cell below if no page does, if it is still missing when a cell has run."""


class AgentReply:
    """A reply that travels as JSON in the `user_expressions` of an execute request."""

    def __init__(self, content: Mapping[str, Any]) -> None:
        self._content = content

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"application/json": {"pid": os.getpid(), **self._content}}


class Agents:
    """The coding agents of one kernel, and the cells that they have proposed.

    Parameters
    ----------
    env
        The kernel's environment.
    put
        Puts a proposed cell below if no page does.
    """

    def __init__(self, env: Callable[[], Environment], put: Put) -> None:
        self._env = env
        self._put = put
        self._outcomes: dict[str, dict[str, Any]] = {}

    def reply(self, request: str) -> AgentReply:
        """Do what an agent asks; what goes wrong is one line in the reply.

        Parameters
        ----------
        request
            JSON: `tool`, `arguments`, and `until` when nobody waits for it anymore, in seconds since 1970.
        """
        try:
            message = json.loads(request)
            if time.time() > message["until"]:
                return AgentReply({"error": "No one is waiting for this anymore."})
            tool, arguments = str(message["tool"]), message["arguments"]
            if tool == RUN_CELL:
                return AgentReply(self._propose(arguments))
            if tool == OUTCOME:
                return AgentReply(self._outcome(str(arguments["proposal"])))
            return AgentReply(_looked(self._env(), tool, arguments))
        except ProposalError as error:
            return AgentReply({"error": str(error)})
        except ClaudeError as error:
            return AgentReply({"error": error.message})
        except Exception as error:
            return AgentReply({"error": f"The kernel could not answer ({type(error).__name__})."})

    def _propose(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """Let a cell wait for the user, as a piece of work of one step."""
        call = {"type": "tool_use", "id": _CALL, "name": RUN_CELL, "input": arguments}
        proposed(call)  # what cannot be used is refused before anything is shown
        env = self._env()
        if sum(work.agent for work in env.works.values()) >= _WAITING:
            raise UsageError(
                f"{_WAITING} proposed cells are already waiting: let the user run or skip them first."
            )
        work = Work(
            ask=lambda reply: self._ran(work, reply),
            executor=_Below(env, lambda source: self._put(source, lambda: _is_missing(env, work))),
            examine=lambda code: driver.examined(env, work, code),
            agent=True,
            ended=lambda word: self._end(work, _INTERRUPTED if word else _NOT_RUN),
        )
        env.works[f"agent {work.id}"] = work
        work.advance(Answer(work.id, complete=True, message={"stop_reason": "tool_use", "content": [call]}))
        where = (
            "is below the cell that ran last"
            if env.page.open
            else "will be below the next cell that the user runs"
        )
        return {"content": [_text(f"The cell {where}: {_WHO}")], "proposal": work.id}

    def _ran(self, work: Work, reply: WorkReply) -> Answer:
        """The user has run the cell: keep the outcome for the agent. Nothing more is asked."""
        result = reply.results[_CALL]
        assert not isinstance(result, str)
        env = self._env()
        blocks = outcome_attachment(result, reply.number, _rules(env)).blocks
        self._keep(work, {"content": list(blocks), "failed": bool(result.error_name)})
        return Answer(work.id, complete=True)

    def _end(self, work: Work, word: str) -> None:
        if work.id not in self._outcomes:
            self._keep(work, {"content": [_text(word)], "failed": False})

    def _keep(self, work: Work, outcome: dict[str, Any]) -> None:
        self._outcomes[work.id] = outcome
        while len(self._outcomes) > _KEPT:
            del self._outcomes[next(iter(self._outcomes))]
        self._env().works.pop(f"agent {work.id}", None)

    def _outcome(self, proposal: str) -> dict[str, Any]:
        """The outcome of a proposed cell; without `content` while it waits."""
        waits = f"agent {proposal}" in self._env().works
        outcome = self._outcomes.get(proposal)
        if outcome is None and not waits:
            raise UsageError("The kernel no longer knows this cell. Use cells to look.")
        return outcome or {"waits": True}


@dataclass(frozen=True, slots=True)
class _Below:
    """The cell waits below the one that ran last, put there by the page, else after the next cell that runs."""

    env: Environment
    put: Callable[[str], None]

    def run(self, step: Step) -> None:
        """Put it there."""
        deleted = self.env.layout().deleted
        last = next((c.id for c in reversed(self.env.records()) if c.id and c.id not in deleted), "")
        if not self.env.page.propose(step, last):
            self.put(step.proposal.source)


def _is_missing(env: Environment, work: Work) -> bool:
    return work.pending is not None and not work.over and work.cell is None and not env.page.open


def _looked(env: Environment, name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    looks, _ = look_tools()
    look = next((look for look in looks if look.name == name), None)
    if look is None:
        raise UsageError(f"There is no tool {name!r} in this kernel.")
    rules = _rules(env)

    def here() -> Here:
        return Here(namespace=env.namespace(), rules=bounded(rules), cells=env.records())

    tools = (look_tool(look, here, Reader(env.running)),)
    call = {"type": "tool_use", "id": "agent", "name": name, "input": arguments}
    result = next(iter(toolbox_for(env, tools, rules, rules.model.id).run([call], Stop())))
    return {"content": list(result.outcome.blocks), "failed": result.outcome.error}


def _rules(env: Environment) -> Rules:
    # Which model the agent is nobody says: pictures are made for the one that takes the smallest.
    return rules_for(env, Options(), min(MODELS, key=lambda model: model.image_tokens).id, ())


def _text(text: str) -> dict[str, str]:
    return {"type": "text", "text": text}

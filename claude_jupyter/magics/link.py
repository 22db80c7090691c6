"""The page's link: a comm that JupyterLab opens to ask how things stand (prices, context, turns) and to do what `%claude_chat` does.

The kernel only ever answers on it, from the handler: a comm that a cell sends on is no longer heard while a cell runs (TRAPS section 2).
The messages are described in `labextension/src/kernel.ts` and `state.ts`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeAlias

from claude_jupyter.costs.calls import Sum, Where
from claude_jupyter.costs.usage import Cost
from claude_jupyter.errors import ClaudeError, UsageError
from claude_jupyter.models import resolve
from claude_jupyter.turns import Answer, Turn

TARGET: Final = "claude_jupyter"

_NEWEST = 200
"""Turns that the panel is told of."""


class Links:
    """The open pages of this kernel."""

    def __init__(self, home: Any) -> None:
        self._home = home
        self._chats: dict[str, str] = {}

    def install(self) -> None:
        """Listen for pages; without a kernel nothing happens."""
        manager = self._manager()
        if manager is not None:
            manager.register_target(TARGET, self._opened)

    def uninstall(self) -> None:
        """Listen no more."""
        manager = self._manager()
        if manager is not None:
            manager.unregister_target(TARGET, self._opened)

    def _manager(self) -> Any:
        return getattr(getattr(self._home.ip, "kernel", None), "comm_manager", None)

    def _opened(self, comm: Any, message: Mapping[str, Any]) -> None:
        def heard(said: Mapping[str, Any]) -> None:
            self._heard(comm, said["content"]["data"])

        comm.on_msg(heard)
        from claude_jupyter.display.widget import page_draws_formulas

        hello = message["content"]["data"]
        page_draws_formulas(hello.get("formulas") is True)
        self._heard(comm, hello)

    def _heard(self, comm: Any, data: Mapping[str, Any]) -> None:
        chat = self._home.world.chats.get(self._chats.get(comm.comm_id, "main"), self._home.claude)
        command = _COMMANDS.get(str(data.get("op")))
        try:
            if data.get("op") == "answer":
                comm.send({"op": "answer", **_answer(chat, str(data.get("id")))})
                return
            note = ""
            if command is not None:
                chat, note = command(chat, data)
                self._chats[comm.comm_id] = chat.name
            comm.send({"op": "state", **state(self._home, chat), "note": note})
        except ClaudeError as error:
            comm.send({"op": "error", "text": error.message})


def state(home: Any, chat: Any) -> dict[str, Any]:
    """How things stand in this kernel, for the status bar and the panel."""
    books, settings = home.world.books, home.world.settings
    owner, accounts = books.owner, books.accounts
    told: dict[str, Any] = {"kernel": _sum(Sum()), "notebook": None, "day": None}
    if accounts is not None:
        told["kernel"] = _sum(Sum.total(accounts.sums(("model",), Where(kernel=owner.kernel))))
        if owner.notebook is not None:
            told["notebook"] = _sum(Sum.total(accounts.sums(("model",), Where(notebook=owner.notebook))))
        day = accounts.spent(kernel=owner.kernel, notebook=owner.notebook, user=owner.user).billed.day
        told["day"] = _sum(Sum(billed=day))
    limits = {"kernel": settings.budget, "notebook": settings.notebook_budget, "day": settings.daily_budget}
    used, size = chat.context
    prompt = chat.usage.prompt
    turns = chat.turns[-_NEWEST:]
    first = len(chat.turns) - len(turns)
    return {
        **told,
        "budget": {k: None if v is None else str(v) for k, v in limits.items()},
        "context": {"used": used, "window": size},
        "cached": chat.usage.cache_read / prompt if prompt else 0,
        "model": resolve(chat.model),
        "chat": chat.name,
        "chats": list(home.world.chats),
        "afresh": chat.afresh,
        "turns": [_turn(first + i, t) for i, t in enumerate(turns, 1)],
        "user": owner.user,
        "notebook_totals": settings.notebook_totals,
    }


def _sum(total: Sum) -> dict[str, Any]:
    unknown = total.unknown and not total.cost
    return {
        "calls": total.calls,
        "tokens": total.usage.total,
        "cost": None if unknown else f"{total.cost:f}",
        "unbilled": f"{total.unbilled:f}",
        "estimated": bool(total.estimated),
    }


def _turn(number: int, turn: Turn) -> dict[str, Any]:
    answer = turn.answer
    cost = answer.cost
    facts = [a.label for a in answer.attachments]
    facts.append(f"{answer.usage.total:,} tokens")
    facts += [] if answer.complete else ["not complete"]
    lines = turn.prompt.strip().splitlines()
    return {
        "turn": number,
        "cell": turn.cell or "",
        "answer": answer.id,
        "prompt": lines[0][:200] if lines else "",
        "facts": " · ".join(facts),
        "cost": None if cost is None else f"{cost:f}",
        "hidden": turn.hidden,
        "starts": turn.starts,
        "age": _age(answer),
        "parts": _parts(cost),
    }


def _age(answer: Answer) -> float | None:
    """Seconds since it ended: a page that was loading meanwhile has missed it."""
    if answer.started is None:
        return None
    return max(0.0, round((datetime.now(UTC) - answer.started).total_seconds() - answer.seconds, 1))


def _parts(cost: Cost | None) -> dict[str, float]:
    parts = cost.parts if cost is not None else {}

    def usd(*names: str) -> float:
        return float(sum((parts.get(n, Decimal(0)) for n in names), Decimal(0)))

    return {
        "output": usd("output"),
        "input": usd("input", "web_searches"),
        "cache": usd("cache_read", "cache_write"),
    }


def _answer(chat: Any, answer_id: str) -> dict[str, Any]:
    """A turn's answer as it stands in an output, for a page that lost it."""
    answer = next((t.answer for t in chat.turns if t.answer.id == answer_id), None)
    if answer is None:
        raise UsageError("this answer is not part of the conversation any more")
    from claude_jupyter.display.bundle import bundle

    data, metadata = bundle(answer)
    return {"id": answer.id, "data": data, "metadata": metadata}


# The chat to show from now on, and a word on what was done that the state does not show.
_Done: TypeAlias = tuple[Any, str]


def _new(chat: Any, _: Mapping[str, Any]) -> _Done:
    chat.begin(not chat.afresh)
    return chat, ""


def _chat(chat: Any, data: Mapping[str, Any]) -> _Done:
    name = str(data.get("name"))
    if name not in chat.chats:
        raise UsageError(f"there is no chat {name!r} any more")
    return chat.chats[name], ""


def _undo(chat: Any, _: Mapping[str, Any]) -> _Done:
    chat.undo()
    return chat, ""


def _hide(chat: Any, data: Mapping[str, Any]) -> _Done:
    chat.hide(int(data["turn"]))
    return chat, ""


def _fork(chat: Any, _: Mapping[str, Any]) -> _Done:
    taken = chat.chats
    return chat.fork(next(n for i in range(2, 10_000) if (n := f"{chat.name}-{i}") not in taken)), ""


def _export(chat: Any, _: Mapping[str, Any]) -> _Done:
    name = f"claude-{chat.name}"
    path = next(p for i in range(10_000) if not (p := Path(f"{name}{f'-{i}' if i else ''}.md")).exists())
    return chat, f"Written to {chat.export(path).name}"


_COMMANDS: Mapping[str, Callable[[Any, Mapping[str, Any]], _Done]] = {
    "chat": _chat,
    "new": _new,
    "undo": _undo,
    "hide": _hide,
    "fork": _fork,
    "export": _export,
}

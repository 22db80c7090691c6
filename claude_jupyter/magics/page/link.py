"""The page's link: a comm that JupyterLab opens to ask for the state (prices, context, turns) and to do what `%claude_chat` does.

The kernel only ever answers on it, from the handler: after a cell sends on a comm, ipykernel 7.4 holds its messages back until
the cell ends (`_reply_subshell_for` in its comm).
The messages are described in `labextension/src/kernel.ts` and `state.ts`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from claude_jupyter.answer.model import Answer, Turn
from claude_jupyter.costs.ledger.calls import Accounts, Sum, Where
from claude_jupyter.costs.prices import list_price
from claude_jupyter.costs.usage import Cost
from claude_jupyter.errors import ClaudeError, UsageError
from claude_jupyter.magics.host import Host
from claude_jupyter.models import LINES, newest, resolve

if TYPE_CHECKING:
    from claude_jupyter.conversation.changing import Changing
    from claude_jupyter.conversation.conversation import Conversation
    from claude_jupyter.conversation.environment import Environment

TARGET: Final = "claude_jupyter"

_NEWEST = 200
"""Turns that the panel is told of."""
_QUESTION = 2_000
"""Characters of a question that it is told."""
_SENT = 200_000
"""Characters of an attachment that a page is shown."""
_NOT_HERE: Final = (
    "What was sent is not in this kernel: it was sent by an earlier one, or the answer is still arriving."
)


class Links:
    """The open pages of this kernel."""

    def __init__(self, extension: Host) -> None:
        self._extension = extension
        self._chats: dict[str, str] = {}
        self._changing: Changing | None = None

    def install(self) -> None:
        """Listen for pages; without a kernel nothing happens."""
        manager = self._manager()
        if manager is not None:
            manager.register_target(TARGET, self._on_open)

    def uninstall(self) -> None:
        """Listen no more."""
        manager = self._manager()
        if manager is not None:
            manager.unregister_target(TARGET, self._on_open)

    def _manager(self) -> Any:
        return getattr(getattr(self._extension.ip, "kernel", None), "comm_manager", None)

    def _on_open(self, comm: Any, message: Mapping[str, Any]) -> None:
        def on_message(message: Mapping[str, Any]) -> None:
            self._on_message(comm, message["content"]["data"])

        comm.on_msg(on_message)
        hello = message["content"]["data"]
        if hello.get("cells") is True:
            pages = self._extension.env.page.open
            pages.add(comm.comm_id)

            def on_close(_: Any) -> None:
                pages.discard(comm.comm_id)

            comm.on_close(on_close)
        self._extension.shell.page_draws_formulas = hello.get("formulas") is True
        self._on_message(comm, hello)

    def _on_message(self, comm: Any, data: Mapping[str, Any]) -> None:
        from claude_jupyter.conversation.work import page

        chat = self._extension.env.chats.get(self._chats.get(comm.comm_id, "main"), self._extension.claude)
        command = _COMMANDS.get(str(data.get("op")))
        try:
            if data.get("op") in ("answer", "read"):
                comm.send({"op": data["op"], **_answer(chat, str(data.get("id")))})
                return
            refused = self._extension.page_settings.take(data.get("settings"))
            if data.get("op") == "sent":
                comm.send({"op": "sent", "ask": data.get("ask"), **self._sent(data)})
                return
            if data.get("op") in ("change", "change_stop"):
                self._change(comm, chat, data)
                return
            note, env = "", self._extension.env
            if act := page.COMMANDS.get(str(data.get("op"))):
                act(env.page, list(env.works.values()), data)
            if data.get("op") == "undo" and env.running():
                raise UsageError("a cell is running: undo after it has finished")
            if command is not None:
                chat, note = command(chat, data)
                self._chats[comm.comm_id] = chat.name
            comm.send({"op": "state", **state(self._extension, chat), "note": note or "\n".join(refused)})
        except ClaudeError as error:
            comm.send({"op": "error", "text": error.message})

    def _sent(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """What an attachment of an answer carried: its texts, and its picture."""
        chats: Iterable[Conversation] = self._extension.env.chats.values()
        answers = (a for chat in chats for a in (*(turn.answer for turn in chat.turns), chat.last) if a)
        attachments = next((a.attachments for a in answers if a.id == str(data.get("id"))), ())
        place = data.get("place")
        if not isinstance(place, int) or not 0 <= place < len(attachments):
            return {"text": _NOT_HERE}
        attachment = attachments[place]
        sources = [b.get("source") or {} for b in attachment.blocks if b.get("type") == "image"]
        image = next((s for s in sources if s.get("type") == "base64"), None)
        text = "\n\n".join(attachment.texts)
        cut = f"\n… {len(text) - _SENT:,} more characters" if len(text) > _SENT else ""
        return {
            "text": (text[:_SENT] + cut) or ("" if image else f"{attachment.sent}: not text"),
            "image": image and f"data:{image['media_type']};base64,{image['data']}",
        }

    def _change(self, comm: Any, chat: Conversation, data: Mapping[str, Any]) -> None:
        """A cell is to be changed as the user says, or no longer."""
        from claude_jupyter.conversation.changing import Changing

        self._changing = changing = self._changing or Changing(self._extension.env)
        if data["op"] == "change_stop":
            changing.stop(str(data.get("id")))
            return
        try:
            changing.start(data, chat.model, comm.send)
        except ClaudeError as error:
            comm.send({"op": "change", "id": data.get("id"), "error": error.message})


def state(extension: Host, chat: Conversation) -> dict[str, Any]:
    """How things stand in this kernel, for the status bar and the panel."""
    billing, settings = extension.env.billing, extension.env.settings
    owner, accounts = billing.owner, billing.accounts

    def total(where: Where) -> dict[str, Any]:
        return _sum(Sum.total(accounts.sums(("model",), where)))

    day = accounts.spent(kernel=owner.kernel, notebook=owner.notebook, user=owner.user).billed.day
    sums: dict[str, Any] = {
        "kernel": total(Where(kernel=owner.kernel)),
        "notebook": None if owner.notebook is None else total(Where(notebook=owner.notebook)),
        "day": _sum(Sum(billed=day)),
    }
    limits = {"kernel": settings.budget, "notebook": settings.notebook_budget, "day": settings.daily_budget}
    used, size = chat.context
    prompt = chat.usage.prompt
    turns = chat.turns[-_NEWEST:]
    first = len(chat.turns) - len(turns)
    by_turn = _sums_by_turn(accounts, owner.kernel)
    rows = [_turn(first + i, t, _own_sum(chat, t, by_turn)) for i, t in enumerate(turns, 1)]
    return {
        **sums,
        "budget": {k: None if v is None else str(v) for k, v in limits.items()},
        "context": {"used": used, "window": size},
        "cached": chat.usage.cache_read / prompt if prompt else 0,
        "model": resolve(chat.model),
        "models": _models(resolve(chat.model), settings.prices),
        "chat": chat.name,
        "chats": list(extension.env.chats),
        "afresh": chat.afresh,
        "turns": rows,
        "others": _others(chat, turns, by_turn, sums["notebook"], sums["kernel"]),
        "user": owner.user,
        "notebook_totals": settings.notebook_totals,
        "work": _works(extension.env, chat),
    }


def _models(current: str, prices: Any) -> list[dict[str, Any]]:
    """The newest model of each line and the one in use, with list prices in USD per million tokens."""
    offered = dict.fromkeys([*(newest(line).id for line in LINES), current])
    rates = [(model, list_price(model, overrides=prices)) for model in offered]
    return [
        {"id": model, "input": rate and float(rate.input), "output": rate and float(rate.output)}
        for model, rate in rates
    ]


def _works(env: Environment, chat: Conversation) -> dict[str, Any]:
    from claude_jupyter.conversation.work import page
    from claude_jupyter.conversation.work.driver import undoable

    work = undoable(env, chat.name, chat.turns)
    return {
        **env.page.to_json(dict(env.works)),
        "undo": page.undo_json(work) if work is not None else None,
    }


def _sum(total: Sum) -> dict[str, Any]:
    unknown = total.unknown and not total.billed
    return {
        "calls": total.calls,
        "tokens": total.usage.total,
        "cost": None if unknown else f"{total.billed:f}",
        "unbilled": f"{total.unbilled:f}",
        "estimated": bool(total.estimated),
    }


_Sums: TypeAlias = Mapping[tuple[str | None, int | None], Sum]
"""What this kernel's ledger holds, by chat and number of the question."""


def _sums_by_turn(accounts: Accounts, kernel: str) -> _Sums:
    return {sum_.key: sum_ for sum_ in accounts.sums(("chat", "turn"), Where(kernel=kernel))}


def _own_sum(chat: Conversation, turn: Turn, by_turn: _Sums) -> Sum | None:
    """What the ledger holds of a turn; None if it was asked in another kernel."""
    return by_turn.get((turn.answer.chat, turn.answer.turn)) if chat.is_of_this_kernel(turn.answer) else None


def _others(
    chat: Conversation, turns: Any, by_turn: _Sums, notebook: dict[str, Any] | None, kernel: dict[str, Any]
) -> list[dict[str, Any]]:
    """What the panel's total holds besides the turns it lists, so that its rows add up to it."""
    listed = {(t.answer.chat, t.answer.turn) for t in turns if chat.is_of_this_kernel(t.answer)}
    rest = {key: sum_ for key, sum_ in by_turn.items() if key not in listed}
    here = Sum.total(sum_ for (name, _), sum_ in rest.items() if name == chat.name)
    elsewhere = Sum.total(sum_ for (name, _), sum_ in rest.items() if name != chat.name)
    rows = [
        {"label": "map, summaries, replaced and undone answers", **_sum(here)},
        {"label": "other chats", **_sum(elsewhere)},
    ]
    if notebook is not None:
        rows.append({"label": "this notebook in earlier kernels", **_beyond(notebook, kernel)})
    return [row for row in rows if row["calls"]]


def _beyond(whole: Mapping[str, Any], part: Mapping[str, Any]) -> dict[str, Any]:
    def less(name: str) -> str | None:
        if whole[name] is None or part[name] is None:
            return None
        return f"{Decimal(whole[name]) - Decimal(part[name]):f}"

    return {
        "calls": whole["calls"] - part["calls"],
        "tokens": whole["tokens"] - part["tokens"],
        "cost": less("cost"),
        "unbilled": less("unbilled"),
        "estimated": whole["estimated"],
    }


def _turn(number: int, turn: Turn, own: Sum | None) -> dict[str, Any]:
    answer = turn.answer
    cost = answer.cost
    usd = _sum(own) if own is not None else {"cost": None if cost is None else f"{cost:f}", "unbilled": "0"}
    facts = [a.label for a in answer.attachments]
    facts.append(f"{answer.usage.total:,} tokens")
    facts += [] if answer.complete else ["not complete"]
    facts += ["cell deleted, not sent"] if turn.deleted else []
    steps = (str(block["title"]) for block in answer.blocks if block.get("type") == "step")
    lines = turn.prompt.strip().splitlines() or list(steps)
    return {
        "turn": number,
        "cell": turn.cell or "",
        "answer": answer.id,
        "prompt": lines[0][:200] if lines else "",
        "question": turn.prompt.strip()[:_QUESTION],
        "facts": " · ".join(facts),
        "cost": usd["cost"],
        "unbilled": usd["unbilled"],
        "counted": own is not None,
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


def _answer(chat: Conversation, answer_id: str) -> dict[str, Any]:
    """A turn's answer as it appears in an output, for a page that lost it."""
    answer = next((t.answer for t in chat.turns if t.answer.id == answer_id), None)
    if answer is None:
        raise UsageError("this answer is no longer part of the conversation")
    from claude_jupyter.display.bundle import bundle

    data, metadata = bundle(answer)
    return {"id": answer.id, "data": data, "metadata": metadata}


# The chat to show from now on, and a word on what was done that the state does not show.
_Done: TypeAlias = "tuple[Conversation, str]"


def _model(chat: Conversation, data: Mapping[str, Any]) -> _Done:
    chat.model = str(data.get("name"))
    return chat, ""


def _new(chat: Conversation, _: Mapping[str, Any]) -> _Done:
    chat.begin(not chat.afresh)
    return chat, ""


def _chat(chat: Conversation, data: Mapping[str, Any]) -> _Done:
    name = str(data.get("name"))
    if name not in chat.chats:
        raise UsageError(f"the chat {name!r} no longer exists")
    return chat.chats[name], ""


def _undo(chat: Conversation, _: Mapping[str, Any]) -> _Done:
    return chat, chat.undone()


def _hide(chat: Conversation, data: Mapping[str, Any]) -> _Done:
    chat.hide(int(data["turn"]))
    return chat, ""


def _fork(chat: Conversation, _: Mapping[str, Any]) -> _Done:
    chats = chat.chats
    return chat.fork(next(n for i in range(2, 10_000) if (n := f"{chat.name}-{i}") not in chats)), ""


def _restore(chat: Conversation, _: Mapping[str, Any]) -> _Done:
    chat.restore()
    count = len(chat.turns)
    return chat, f"{count} earlier answer{' is' if count == 1 else 's are'} in this conversation again"


def _export(chat: Conversation, _: Mapping[str, Any]) -> _Done:
    name = f"claude-{chat.name}"
    path = next(p for i in range(10_000) if not (p := Path(f"{name}{f'-{i}' if i else ''}.md")).exists())
    return chat, f"Written to {chat.export(path).name}"


_COMMANDS: Mapping[str, Callable[[Conversation, Mapping[str, Any]], _Done]] = {
    "chat": _chat,
    "model": _model,
    "new": _new,
    "undo": _undo,
    "hide": _hide,
    "fork": _fork,
    "export": _export,
    "restore": _restore,
}

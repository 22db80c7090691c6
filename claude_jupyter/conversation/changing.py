"""Changes a cell for the page: sends its source, its error and the variables by name and type, and streams the new source back.

Outside the history, and nothing is run: the page shows what would change, and the user takes it or not.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final

from claude_jupyter.content.text.fence import clip
from claude_jupyter.conversation.ask.prepare import chosen_model, rules_for
from claude_jupyter.conversation.asker import Asker
from claude_jupyter.conversation.chat import Chat
from claude_jupyter.conversation.drivers.streams import TextStream
from claude_jupyter.conversation.environment import Environment
from claude_jupyter.errors import ClaudeError, UsageError
from claude_jupyter.interrupts import locked
from claude_jupyter.kernel.inventory import inventory
from claude_jupyter.kernel.look.tool import Here
from claude_jupyter.options import Options

Send = Callable[[Mapping[str, Any]], None]

_CHAT: Final = "changes"
_PACE: Final = 0.1
"""Seconds between two messages to the page."""
_ERROR: Final = 2_000
_PROMPT: Final = """Change this cell of a Jupyter notebook as the user asks.

The user asks: {wish}

The cell:
{fence}python
{source}
{fence}
{error}
Answer with the whole changed cell in one fenced Python block and nothing else. Change nothing that was not asked for."""


@dataclass(slots=True)
class Changing:
    """The cells that are being changed, by the page's id of the request."""

    env: Environment
    _streams: dict[str, TextStream] = field(default_factory=dict[str, TextStream])
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def start(self, data: Mapping[str, Any], model: str, send: Send) -> None:
        """Ask; the new source goes to the page from a thread.

        Parameters
        ----------
        data
            `id`, `cell` (its id), `source`, `wish`, and `failed`: `name` and `text` of the error that the page shows, or null.
        send
            Called with `{"op": "change", "id", "source", "done"}`, or with `error` instead of the last two.

        Raises
        ------
        ClaudeError
            For what is known to be wrong beforehand.
        """
        request, cell, source = (str(data.get(name) or "") for name in ("id", "cell", "source"))
        wish = str(data.get("wish") or "").strip()
        if not wish:
            raise UsageError("say what should change")
        if self.env.running():
            raise UsageError("a cell is running: change the cell after it has finished")
        chat = Chat(self.env, _CHAT)
        asker, options = Asker(self.env, chat), Options(model=model, once=True, look=False)
        _, state = chat.next_question(model, sends=False)
        rules = rules_for(self.env, options, chosen_model(self.env, state, options), ())
        here = Here(namespace=self.env.namespace(), rules=rules, cells=())
        error = self._error(cell, source, data.get("failed"), values=rules.row_limit != 0)
        prompt = prompt_for(wish, source, error)
        exchange = asker.prepared(prompt, (inventory(here),), options, labels=("this notebook",))
        exchange.place = exchange.place._replace(cell=cell or None)
        stream = TextStream(exchange, asker.finish, events=False)
        stream.apart = True
        with locked(self._lock):
            self._streams[request] = stream
        self.env.background.start(_CHAT, partial(self._read, request, stream, send), exchange.stop)

    def stop(self, request: str) -> None:
        """Stop one; what it has cost stays in the ledger."""
        with locked(self._lock):
            stream = self._streams.get(request)
        if stream is not None:
            stream.stop()

    def _error(self, cell: str, source: str, on_page: Any, *, values: bool) -> str:
        """The error that the cell shows, if it ran last as it is there; the page tells of one that ran before we did."""
        record = next((r for r in reversed(self.env.records()) if r.id == cell), None)
        if record is None and isinstance(on_page, Mapping):
            name, text = str(on_page.get("name")), str(on_page.get("text"))
            return clip(f"{name}: {text}" if text and values else name, _ERROR)
        if record is None or not record.error or record.source.strip() != source.strip():
            return ""
        return clip(record.error.strip().splitlines()[-1], _ERROR) if values else record.error_name

    def _read(self, request: str, stream: TextStream, send: Send) -> None:
        try:
            reported = time.monotonic()
            for _ in stream:
                if time.monotonic() - reported >= _PACE:
                    reported = time.monotonic()
                    send({"op": "change", "id": request, "source": unfenced(stream.text), "done": False})
            codes = stream.answer.codes
            if not codes:
                raise UsageError("the answer contains no cell: describe the change in other words")
            send({"op": "change", "id": request, "source": codes[-1].strip("\n"), "done": True})
        except ClaudeError as error:
            send({"op": "change", "id": request, "error": error.message})
        finally:
            with locked(self._lock):
                self._streams.pop(request, None)


def prompt_for(wish: str, source: str, error: str = "") -> str:
    """What is asked of the model."""
    longest = max((len(run) for run in source.split() if set(run) == {"`"}), default=2)
    fence = "`" * max(3, longest + 1)
    failed = f"\nWhen it ran last it failed with: {error}\n" if error else ""
    return _PROMPT.format(wish=wish, source=source, fence=fence, error=failed)


def unfenced(text: str) -> str:
    """The code of an answer that is still arriving: what comes behind the first fence."""
    _, fence, rest = text.partition("```")
    if not fence:
        return ""
    code = rest.partition("\n")[2]
    return code.partition("\n```")[0]

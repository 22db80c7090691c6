"""`%claude_chat`: conversations from the magic's line; each word is one method of `claude`."""

from __future__ import annotations

import difflib
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from claude_jupyter.costs.usage import dollars
from claude_jupyter.errors import UsageError

if TYPE_CHECKING:
    from claude_jupyter.conversation.conversation import Conversation

USAGE = """%claude_chat                     the chats of this kernel
%claude_chat show [NAME]         the transcript
%claude_chat new NAME            start a chat
%claude_chat fork NAME           start a chat with a copy of this one's turns
%claude_chat undo [N]            undo the last N changes to the history
%claude_chat hide TURN           stop sending a turn (repeat to send it again)
%claude_chat clear               forget the history
%claude_chat compact             have Claude summarize the history, and continue from the summary
%claude_chat save PATH           write the conversation to a file
%claude_chat load PATH           load one into this chat
%claude_chat restore             bring back the conversation of this notebook
%claude_chat export PATH.md      write the transcript as Markdown
%claude_chat forget              delete the journal on disk
Add -c NAME for a chat other than main."""


def run(line: str, claude: Conversation) -> Any:
    """Do what the line says.

    Returns
    -------
    A line to print, or a conversation to show.

    Raises
    ------
    UsageError
        For a word that is none of its own, or one that lacks its argument.
    ClaudeError
        What the conversation raises.
    """
    words = _words(line)
    chat = claude
    if "-c" in words[:-1]:
        at = words.index("-c")
        name = _one([words[at + 1]], "a name")
        if name not in claude.chats:
            near = difflib.get_close_matches(name, claude.chats, n=1)
            raise UsageError(f"there is no chat {name!r}" + (f"; did you mean {near[0]}?" if near else ""))
        chat, words = claude.chats[name], words[:at] + words[at + 2 :]
    word, arguments = (words[0], words[1:]) if words else ("list", [])
    if word in ("help", "-h") or "--help" in words:
        return USAGE
    if word not in _COMMANDS:
        near = difflib.get_close_matches(word, _COMMANDS, n=1)
        raise UsageError(
            f"%claude_chat has no {word!r}" + (f"; did you mean {near[0]}?" if near else "; see --help")
        )
    return _COMMANDS[word](chat, arguments)


def _words(line: str) -> list[str]:
    try:
        return shlex.split(line, posix=False)
    except ValueError as error:
        raise UsageError(f"%claude_chat: {error}") from None


def _one(arguments: list[str], what: str) -> str:
    if not arguments:
        raise UsageError(f"%claude_chat: {what} is missing; see %claude_chat --help")
    text = " ".join(arguments)
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text


def _number(arguments: list[str], default: int | None) -> int:
    if not arguments and default is not None:
        return default
    text = _one(arguments, "a number")
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"%claude_chat: {text!r} is not a whole number") from None


def _list(chat: Conversation, _: list[str]) -> str:
    return "\n".join(
        f"{name}: {_count(c.turns)}, {c.usage.total:,} tokens, {dollars(c.cost, estimated=c.cost.estimated)}"
        for name, c in chat.chats.items()
    )


def _count(turns: Sequence[Any]) -> str:
    return f"{len(turns)} turn{'' if len(turns) == 1 else 's'}"


def _show(chat: Conversation, arguments: list[str]) -> Conversation:
    if not arguments:
        return chat
    name = _one(arguments, "a name")
    if name not in chat.chats:
        raise UsageError(f"there is no chat {name!r}: {', '.join(chat.chats)}")
    return chat.chats[name]


def _new(chat: Conversation, arguments: list[str]) -> str:
    name = _one(arguments, "a name")
    if name in chat.chats:
        raise UsageError(f"there is a chat {name!r} already")
    chat.chat(name)
    return f"Started the chat {name}; ask in it with %%claude -c {name}."


def _fork(chat: Conversation, arguments: list[str]) -> str:
    fork = chat.fork(_one(arguments, "a name"))
    return f"The chat {fork.name} starts with {_count(fork.turns)} of {chat.name}; ask in it with %%claude -c {fork.name}."


def _undo(chat: Conversation, arguments: list[str]) -> str:
    chat.undo(_number(arguments, 1))
    return f"Undone; {chat.name} has {_count(chat.turns)}."


def _hide(chat: Conversation, arguments: list[str]) -> str:
    number = _number(arguments, None)
    chat.hide(number)
    turn = chat.turns[number - 1 if number > 0 else number]
    return f"Turn {number} is {'hidden: it is no longer sent' if turn.hidden else 'sent again'}."


def _clear(chat: Conversation, _: list[str]) -> str:
    chat.clear()
    return f"The history of {chat.name} is empty; %claude_chat undo brings it back."


def _compact(chat: Conversation, _: list[str]) -> str:
    chat.compact()
    return f"{chat.name} continues from this summary; the transcript keeps every turn, and %claude_chat undo reverts it."


def _save(chat: Conversation, arguments: list[str]) -> str:
    return f"Saved to {chat.save(_one(arguments, 'a path')).name}."


def _load(chat: Conversation, arguments: list[str]) -> str:
    chat.replace_by(_one(arguments, "a path"))
    return f"{chat.name} has {_count(chat.turns)} now; %claude_chat undo brings the earlier ones back."


def _restore(chat: Conversation, _: list[str]) -> str:
    chat.restore()
    return f"{chat.name} has {_count(chat.turns)} again."


def _export(chat: Conversation, arguments: list[str]) -> str:
    return f"Written to {chat.export(_one(arguments, 'a path')).name}."


def _forget(chat: Conversation, _: list[str]) -> str:
    count = chat.forget()
    return f"The journal is deleted ({count} kernel{'' if count == 1 else 's'}); this kernel's history stays until it ends."


_COMMANDS: Mapping[str, Callable[[Any, list[str]], Any]] = {
    "list": _list,
    "show": _show,
    "new": _new,
    "fork": _fork,
    "undo": _undo,
    "hide": _hide,
    "clear": _clear,
    "compact": _compact,
    "save": _save,
    "load": _load,
    "restore": _restore,
    "export": _export,
    "forget": _forget,
}
WORDS = tuple(_COMMANDS)
"""What the line may begin with."""

"""Tab completion of `%claude_chat`, `%claude_cost`, `%claude_mcp` and `%claude_key`: their words, names and files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from claude_jupyter.magics.completion.offers import Offer, Scope, starting

MAGICS: Final = ("chat", "cost", "key", "mcp")
_TAKE_PATHS: Final = ("save", "load", "export", "--csv", "--notebook")


def offer(magic: str, before: str, scope: Scope, paths: Callable[[str], Offer]) -> Offer:
    """What to complete behind the magic's name.

    Parameters
    ----------
    magic
        One of `MAGICS`.
    before
        What is between the magic's name and the cursor.
    paths
        Completes a file's name.
    """
    word = "" if not before or before[-1].isspace() else before.split()[-1]
    earlier = before[: len(before) - len(word)].split()
    last = earlier[-1] if earlier else ""
    if last in _TAKE_PATHS and magic in ("chat", "cost"):
        return paths(word)
    choices = {"chat": _chat, "cost": _cost, "key": _key, "mcp": _mcp}[magic](earlier, last, scope)
    kind = "option" if word.startswith("-") else "value"
    return Offer(word, tuple(starting(choices, word, kind)))


def _chat(earlier: list[str], last: str, scope: Scope) -> Iterable[str]:
    from claude_jupyter.magics.claude_chat import WORDS

    if last in ("-c", "show"):
        return sorted(scope.chats())
    rest = [w for i, w in enumerate(earlier) if w != "-c" and (i == 0 or earlier[i - 1] != "-c")]
    return ("-c",) if rest else (*WORDS, "-c", "--help")


def _cost(earlier: list[str], last: str, _: Scope) -> Iterable[str]:
    from claude_jupyter.costs.reports import report

    choices: dict[str, Iterable[str]] = {}
    for action in report.options()._actions:  # argparse tells its options in no other way
        choices.update(dict.fromkeys(action.option_strings, action.choices or ()))
    if last == "--since":
        return ("today", "yesterday", "7d")
    return choices.get(last) or [name for name in choices if name not in earlier]


def _mcp(earlier: list[str], last: str, scope: Scope) -> Iterable[str]:
    from claude_jupyter.magics.claude_mcp import COMMANDS, WORDS

    if not earlier:
        return (*WORDS, "--help")
    return sorted(scope.servers()) if len(earlier) == 1 and last in COMMANDS else ()


def _key(earlier: list[str], _last: str, _: Scope) -> Iterable[str]:
    return () if earlier else ("--save", "--forget", "--help")

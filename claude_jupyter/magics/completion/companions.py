"""Tab completion of `%claude_chat`, `%claude_cost` and `%claude_key`: their words, chats by name, and files where a path comes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Final

from claude_jupyter.magics.offers import Known, Offer, starting

MAGICS: Final = ("chat", "cost", "key")
_TAKE_PATHS: Final = ("save", "load", "export", "--csv", "--notebook")


def offer(magic: str, before: str, known: Known, paths: Callable[[str], Offer]) -> Offer:
    """What to complete behind the magic's name.

    Parameters
    ----------
    magic
        One of `MAGICS`.
    before
        What stands between the magic's name and the cursor.
    paths
        Completes a file's name.
    """
    word = "" if not before or before[-1].isspace() else before.split()[-1]
    earlier = before[: len(before) - len(word)].split()
    last = earlier[-1] if earlier else ""
    if last in _TAKE_PATHS and magic != "key":
        return paths(word)
    found = {"chat": _chat, "cost": _cost, "key": _key}[magic](earlier, last, known)
    kind = "option" if word.startswith("-") else "value"
    return Offer(word, tuple(starting(found, word, kind)))


def _chat(earlier: list[str], last: str, known: Known) -> Iterable[str]:
    from claude_jupyter.magics.chat import WORDS

    if last in ("-c", "show"):
        return sorted(known.chats())
    rest = [w for i, w in enumerate(earlier) if w != "-c" and (i == 0 or earlier[i - 1] != "-c")]
    return ("-c",) if rest else (*WORDS, "-c", "--help")


def _cost(earlier: list[str], last: str, _: Known) -> Iterable[str]:
    from claude_jupyter.costs import report

    choices: dict[str, Iterable[str]] = {}
    for action in report.options()._actions:  # argparse tells its options in no other way
        choices.update(dict.fromkeys(action.option_strings, action.choices or ()))
    if last == "--since":
        return ("today", "yesterday", "7d")
    return choices.get(last) or [name for name in choices if name not in earlier]


def _key(earlier: list[str], _last: str, _: Known) -> Iterable[str]:
    return () if earlier else ("--save", "--forget", "--help")

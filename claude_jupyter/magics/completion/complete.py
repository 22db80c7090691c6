"""Tab completion of `%%claude`, `%claude` and `%claude_fix` in every frontend, through the kernel: options and their values, names, files,
and inside `{…}` of the question; in prose nothing.

One matcher of IPython's completer, before all others and in place of them, so that a question never waits for Jedi. No property
of a value is read: attributes come from `dir`, items from plain dicts and the columns of frames.
"""

from __future__ import annotations

import glob
import os
import re
import string
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any, Final, cast

from claude_jupyter.content.guard import type_name
from claude_jupyter.content.prompt import expressions
from claude_jupyter.content.prompt.protected import protected
from claude_jupyter.content.recognize import sort_of
from claude_jupyter.magics.completion import companions
from claude_jupyter.magics.completion.offers import Candidate, Offer, Scope, starting
from claude_jupyter.magics.line.words import words
from claude_jupyter.models import MODELS
from claude_jupyter.options import BY_LONG, BY_SHORT, OPTIONS, Option

IDENTIFIER: Final = "claude_jupyter"
LIMIT: Final = 200
_NAME_LETTERS: Final = string.ascii_letters + string.digits + "_"


_CELL: Final = re.compile(r"(?:[ \t]*(?:#[^\n]*)?\r?\n)*+[ \t]*%%claude(?=[ \t\r\n]|$)")
_LINE: Final = re.compile(r"(?:[^#\n]*[^=!<>#\n]=)?[ \t]*%claude(?:_fix)?[ \t]+")
_COMPANION: Final = re.compile(rf"[ \t]*%claude_({'|'.join(companions.MAGICS)})[ \t]+")
_LONGEST_LINE: Final = 2000


def offer(text: str, cursor: int, scope: Scope) -> Offer | None:
    """What to complete at `cursor` of a cell; None if it is not our business (Python, another magic).

    An offer without candidates means that nothing at all should be completed: the cursor is in prose.
    """
    if cell := _CELL.match(text):
        start = cell.end()
        end = text.find("\n", start) if "\n" in text[start:] else len(text)
        if cursor <= start:
            return None
        if cursor > end:
            return _in_braces(text[end + 1 :], cursor - end - 1, scope)
        return _on_the_line(text[start:cursor], text[cursor:end], scope, names=True) or Offer("")
    begin = text.rfind("\n", 0, cursor) + 1
    if text.startswith("%%"):
        return None
    if companion := _COMPANION.match(text, begin, cursor):
        before = text[companion.end() : cursor]
        return companions.offer(companion[1], before, scope, lambda word: _paths(word, ""))
    line = _LINE.match(text, begin, cursor)
    if line is None:
        return None
    end = text.find("\n", cursor) if "\n" in text[cursor:] else len(text)
    completed = _on_the_line(text[line.end() : cursor], text[cursor:end], scope, names=False)
    return completed or _in_braces(text[line.end() : end], cursor - line.end(), scope)


def _on_the_line(before: str, after: str, scope: Scope, *, names: bool) -> Offer | None:
    """Behind the magic's name, up to the cursor; None if the one-line question has begun."""
    if len(before) > _LONGEST_LINE:
        return None
    word = _open_word(before)
    waiting, in_prompt = _state([w.text for w in words(before[: len(before) - len(word)])], names)
    if in_prompt:
        return None
    optional: tuple[Candidate, ...] = ()
    if waiting is not None and waiting.kind in _OPTIONAL:
        if names or waiting.kind == "mode":
            optional = tuple(starting(waiting.choices, word, "value"))
    elif waiting is not None:
        return _values(waiting, word, after, scope)
    if word.startswith("-"):
        return _option_offer(word, after, scope)
    if names:
        offered = _expression_offer(word, after, scope)
        return Offer(offered.fragment, (*optional, *offered.candidates))
    return (
        Offer(word, optional)
        if word and optional
        else None
        if word
        else Offer("", (*optional, *_option_candidates("")))
    )


def _open_word(before: str) -> str:
    """The word that ends at the cursor, also one with an open quote or bracket."""
    at = len(before)
    for match in re.finditer(r"(?<!\S)\S", before):
        rest = before[match.start() :]
        split = next(words(rest), None)
        opened = split is not None and split.end >= len(rest)
        if opened or _is_open(rest):
            at = match.start()
            break
    return before[at:]


def _is_open(rest: str) -> bool:
    """Whether a quote or bracket opened in it is still open: `df["a b`, `"my fi`."""
    if rest[0] in "\"'":
        return rest[0] not in rest[1:]
    opened = re.match(r"[\w.\]\[\"'=-]*?\[(?:\"[^\"]*|'[^']*)$|-[-\w]*=?(?:\"[^\"]*|'[^']*)$", rest)
    return opened is not None


def _state(earlier: list[str], names: bool) -> tuple[Option | None, bool]:
    """The option whose value comes next or may come next, and whether the one-line question has begun."""
    waiting: Option | None = None
    for word in earlier:
        if waiting is not None and waiting.kind not in _OPTIONAL:
            waiting = None
            continue
        if waiting is not None and (names or waiting.kind == "mode") and _fits(waiting, word):
            waiting = None
            continue
        if word == "--" or not re.match(r"--?[A-Za-z]", word):
            if not names:
                return None, True
            waiting = None
            continue
        waiting = _awaits(word)
    return waiting, False


def _fits(option: Option, word: str) -> bool:
    """Whether a word is the value of an option that may be without one."""
    return word in option.choices or (option.kind == "count" and word.isdecimal())


def _awaits(word: str) -> Option | None:
    """The option of a word such as `-m`, `-nem`, `--model`, if its value is still to come."""
    if word.startswith("--"):
        option = BY_LONG.get(word[2:])
        return option if option is not None and option.takes_value else None
    for at, letter in enumerate(word[1:], 1):
        option = BY_SHORT.get(letter)
        if option is None:
            return None
        if option.takes_value and option.kind != "count":
            return option if at == len(word) - 1 else None
    return BY_SHORT.get(word[-1]) if BY_SHORT.get(word[-1]) in _COUNTS else None


_COUNTS: Final = [option for option in OPTIONS if option.kind == "count"]
_OPTIONAL: Final = ("count", "mode")
"""Kinds of options that may be without their value."""


def _option_offer(word: str, after: str, scope: Scope) -> Offer:
    name, equals, value = word[2:].partition("=") if word.startswith("--") else ("", "", "")
    if equals:
        option = BY_LONG.get(name)
        return _values(option, value, after, scope) if option is not None else Offer(value)
    if not word.startswith("--") and len(word) > 2 and (short := BY_SHORT.get(word[1])) and short.takes_value:
        return _values(short, word[2:], after, scope)
    return Offer(word, tuple(_option_candidates(word)))


def _option_candidates(word: str) -> Iterator[Candidate]:
    for option in OPTIONS:
        if option.flag.startswith(word or "--"):
            yield Candidate(option.flag, "option")
    if len(word) == 1:
        yield from (Candidate(f"-{option.short}", "option") for option in OPTIONS if option.short)


def _values(option: Option, word: str, after: str, scope: Scope) -> Offer:
    match option.name:
        case "file":
            return _paths(word, after)
        case "returns" | "tool":
            names = _expression_offer(word, after, scope)
            types = (
                ("dataframe", "list", "Literal")
                if option.name == "returns" and names.fragment == word
                else ()
            )
            return Offer(names.fragment, (*starting(types, word, "class"), *names.candidates))
        case "out":
            return Offer(word, tuple(_names(word, scope)))
        case "model":
            return Offer(word, tuple(starting((*option.choices, *(m.id for m in MODELS)), word, "model")))
        case "chat":
            return Offer(word, tuple(starting(sorted(scope.chats()), word, "chat")))
        case "mcp":
            return Offer(word, tuple(starting(sorted(scope.servers()), word, "server")))
        case "param":
            return Offer(word, tuple(starting((f"{key}=" for key in _PARAMS), word, "param")))
        case _:
            return Offer(word, tuple(starting(option.choices, word, "value")))


_PARAMS: Final = (
    "service_tier", "metadata", "tool_choice", "speed", "inference_geo", "timeout", "betas", "extra_headers", "extra_body",
    "thinking", "output_config", "top_k", "top_p",
)  # fmt: skip


def _paths(word: str, after: str) -> Offer:
    quote = word[:1] if word[:1] in ("'", '"') else ""
    typed = word.removeprefix(quote)
    expanded = os.path.expanduser(typed)  # noqa: PTH111
    paths: list[Candidate] = []
    for path in sorted(islice(glob.iglob(glob.escape(expanded) + "*"), LIMIT)):  # noqa: PTH207
        folder = os.path.isdir(path)  # noqa: PTH112
        text = typed + path[len(expanded) :] + ("/" if folder else "")
        around = quote or ('"' if " " in text else "")
        closing = "" if folder or after.startswith(around) else around
        paths.append(Candidate(around + text + closing, "path"))
    return Offer(word, tuple(paths))


def _expression_offer(word: str, after: str, scope: Scope) -> Offer:
    """Names, attributes behind a dot, items behind a bracket; paths behind a quote."""
    if word[:1] in ("'", '"'):
        return _paths(word, after)
    if item := re.fullmatch(r"(.+)\[([\"']?)([^\"'\]]*)", word):
        return Offer(item[2] + item[3], tuple(_items(item[1], item[2], item[3], after, scope)))
    owner, dot, name = word.rpartition(".")
    if dot:
        return Offer(name, tuple(_attributes(owner, name, scope)))
    fragment = word[len(word.rstrip(_NAME_LETTERS)) :] if word.isascii() else word
    return Offer(fragment, tuple(_names(fragment, scope)))


def _names(word: str, scope: Scope) -> Iterator[Candidate]:
    """Frames and figures first, functions last."""
    names: list[tuple[int, str, Any]] = []
    for name, value in list(scope.namespace.items()):
        if not name.startswith(word) or not name.isidentifier() or (name[0] == "_" and word[:1] != "_"):
            continue
        if name not in scope.hidden or scope.hidden[name] is not value:
            names.append((0 if sort_of(value) else 2 if callable(value) else 1, name, value))
    names.sort(key=lambda item: item[:2])
    return (
        Candidate(name, sort_of(value) or type_name(type(value), short=True))
        for _, name, value in names[:LIMIT]
    )


def _value(source: str, scope: Scope) -> Any:
    """The value of a path, if finding it runs no code of the user's; else None."""
    node = expressions.read(source)
    if node is None or not expressions.is_path(node):
        return None
    try:
        if expressions.is_instant(node, scope.namespace):
            return expressions.look_up(node, scope.namespace)
        owner, _, attribute = source.rpartition(".")
        holder = _value(owner, scope) if owner else None
        stored: dict[str, Any] = getattr(holder, "__dict__", {})
        return stored.get(attribute)
    except Exception:
        return None


def _attributes(owner: str, name: str, scope: Scope) -> Iterator[Candidate]:
    """What a lookup could use: no methods, nothing private unless asked for."""
    value = _value(owner, scope)
    try:
        every = dir(value) if value is not None else []
    except Exception:
        return
    names = (n for n in every if n.startswith(name) and (n[0] != "_" or name[:1] == "_"))
    values = (n for n in names if not callable(getattr(type(value), n, None)))
    yield from (Candidate(n, "instance") for n in islice(values, LIMIT))


def _items(owner: str, quote: str, begun: str, after: str, scope: Scope) -> Iterator[Candidate]:
    mark = quote or '"'
    closing = "" if after.startswith(mark) else mark if after.startswith("]") else mark + "]"
    fitting = (
        key
        for key in _keys(_value(owner, scope))
        if key.startswith(begun) and not set(key) & set(mark + "\\{}\n")
    )
    return (Candidate(mark + key + closing, "key") for key in islice(fitting, LIMIT))


def _keys(value: Any) -> list[str]:
    """The keys of a dict or the columns of a frame that knows them without work (a lazy one may not)."""
    keys: Any = ()
    if type(value) is dict:
        keys = cast("dict[Any, Any]", value)
    elif sort_of(value) == "dataframe" and type_name(type(value), short=True) != "LazyFrame":
        try:
            keys = getattr(value, "column_names", None) or getattr(value, "columns", ())
            iter(keys)
        except Exception:
            return []
    return [key for key in keys if isinstance(key, str)]


_OPEN_BRACE: Final = re.compile(r"(?<![{\\^_}])\{([^\W\d](?:[^{}\n]*))?$")


def _in_braces(body: str, cursor: int, scope: Scope) -> Offer:
    """In the question: a brace that is open on this line and is none of mathematics or fenced code."""
    line = body.rfind("\n", 0, cursor) + 1
    brace = _OPEN_BRACE.search(body[line:cursor])
    if brace is None or any(start <= line + brace.start() < end for start, end in protected(body)):
        return Offer("")
    inside = brace[1] or ""
    if re.search(r"[!:](?![^\[]*\])[^\[\]]*$", inside):
        return Offer("")
    end = body.find("\n", cursor)
    return _expression_offer(inside, body[cursor : end if end != -1 else len(body)], scope)


# --- IPython ---------------------------------------------------------------------------------------------------


class _Nothing(list[Any]):
    """No completions, yet not empty: the only way to tell IPython's completer that nobody else shall complete here."""

    def __len__(self) -> int:
        return 1


def install(
    ip: Any,
    chats: Callable[[], Iterable[str]] = lambda: ("main",),
    servers: Callable[[], Iterable[str]] = tuple,
) -> None:
    """Put the matcher in, in place of an earlier one of ours."""
    from IPython.core.completer import SimpleCompletion, context_matcher

    uninstall(ip)

    def claude_matcher(context: Any) -> Any:
        lines = context.full_text.split("\n")
        cursor = sum(len(line) + 1 for line in lines[: context.cursor_line]) + context.cursor_position
        offered = offer(context.full_text, cursor, Scope(ip.user_ns, ip.user_ns_hidden, chats, servers))
        if offered is None:
            return {"completions": [], "suppress": False}
        completions = [SimpleCompletion(c.text, type=c.kind) for c in offered.candidates]
        return {
            "completions": completions or _Nothing(),
            "suppress": True,
            "matched_fragment": offered.fragment,
            "ordered": True,
        }

    decorate: Any = context_matcher(identifier=IDENTIFIER, priority=1000)
    ip.Completer.custom_matchers.append(decorate(claude_matcher))


def uninstall(ip: Any) -> None:
    """Take the matcher out, also one of an earlier import of this module."""
    matchers: list[Any] = ip.Completer.custom_matchers
    matchers[:] = [m for m in matchers if getattr(m, "matcher_identifier", None) != IDENTIFIER]

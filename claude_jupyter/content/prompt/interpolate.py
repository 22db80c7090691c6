"""`{expr}` in a prompt: text-like values are put in, others are attached, every other brace stays as typed.

Also the free hint about a dataframe or figure that is named without braces. How an attached value is shown is the
dispatcher's; where braces are never touched is `protected.py`; inline code in backticks is *not* protected (only fenced is),
so that `` `{column}` `` can be asked about.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path, PurePath
from typing import Any, Final, TypeVar

from claude_jupyter.content.guard import SECONDS, guarded
from claude_jupyter.content.prompt import expressions
from claude_jupyter.content.prompt.protected import fences, protected
from claude_jupyter.content.recognize import holds_rows, is_textlike, sort_of
from claude_jupyter.content.values import outlines
from claude_jupyter.encodable import encodable_repr
from claude_jupyter.errors import ClaudeError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Filled:
    """A prompt with its braces resolved.

    Attributes
    ----------
    text
        As it is sent; replaced text was not scanned again.
    attached
        Expression and value of what is not text-like, each expression once, in order; it is in the sentence.
    values
        Expression and text of what was put in.
    hints
        One line each, about frames and figures named without braces; nothing of them is sent.
    """

    text: str
    attached: tuple[tuple[str, Any], ...] = ()
    values: tuple[tuple[str, str], ...] = ()
    hints: tuple[str, ...] = ()


_STRING = r'"(?:[^"\\\n]|\\.)*+"|\'(?:[^\'\\\n]|\\.)*+\''
_INDEX = rf"\[(?:[^\[\]{{}}\"'\n]|{_STRING}|\[(?:[^\[\]{{}}\"'\n]|{_STRING})*+\])*+\]"
_PATH = rf"[^\W\d]\w*+(?:\.[^\W\d]\w*+|{_INDEX})*+"
_BRACES: Final = re.compile(rf"\{{({_PATH})(?:!([rsa]))?(?::(?! )([^{{}}\n]*+))?\}}")
_LITERAL: Final = re.compile(
    rf"\{{\{{({_PATH})(?:![rsa])?(?::[<>=^+#\d,_.]+[a-zA-Z%])?\}}\}}"
)  # not JSX: style={{flex:1}}
_OPEN: Final = re.compile(r"\{+")
_REACH: Final = expressions.LONGEST + 100
_PLAIN: Final = frozenset(
    (str, int, float, complex, bool, type(None), datetime.date, datetime.datetime, Decimal)
)
_HUGE_WIDTH: Final = re.compile(r"\d{4}")
_SHELL: Final = frozenset(("exit", "quit", "get_ipython", "open"))
_SHELL_MODULES: Final = frozenset(("IPython", "ipykernel", "io", "_io", "builtins"))


def fill(
    prompt: str,
    namespace: Mapping[str, Any],
    *,
    named: Iterable[str] = (),
    seconds: float = SECONDS,
    withhold: bool = False,
) -> Filled:
    """Resolve the braces of a prompt in a namespace.

    Parameters
    ----------
    named
        Expressions that are attached already (NAMEs): no hint about them.
    seconds
        The longest lookup; one that takes longer, or fails, leaves its brace as typed.
    withhold
        Whether no rows may leave (`--rows none`): collections and texts that hold rows are attached, where only their outline is sent.
    """
    resolver = _Resolver(namespace, seconds, withhold)
    text = _resolved(prompt, resolver) if "{" in prompt else prompt
    pointed_at = {*named, *resolver.attached}
    return Filled(
        text,
        tuple(resolver.attached.items()),
        tuple(resolver.values.items()),
        _hints(prompt, namespace, pointed_at),
    )


def _resolved(prompt: str, resolver: _Resolver) -> str:
    parts: list[str] = []
    done = 0
    spans = protected(prompt)
    next_span = 0
    for run in _OPEN.finditer(prompt):
        at, end = run.span()
        while next_span < len(spans) and spans[next_span][1] <= at:
            next_span += 1
        if at < done or (next_span < len(spans) and spans[next_span][0] <= at) or _is_taken(prompt, at):
            continue
        literal = _LITERAL.match(prompt, at, at + _REACH) if end - at == 2 else None
        braces = literal or (_BRACES.match(prompt, end - 1, end + _REACH) if end - at < 3 else None)
        if braces is None or (
            end - at == 2 and not literal and prompt[braces.end() : braces.end() + 1] == "}"
        ):
            continue
        text = resolver(braces[1], braces[2], braces[3]) if braces is not literal else _unescaped(braces)
        if text is not None:
            parts += (prompt[done : braces.start()], text)
            done = braces.end()
    parts.append(prompt[done:])
    return "".join(parts)


def _unescaped(literal: re.Match[str]) -> str | None:
    """`{name}` for `{{name}}`, where that is an expression at all."""
    node = expressions.read(literal[1])
    return literal[0][1:-1] if node is not None and expressions.is_path(node) else None


def _is_taken(prompt: str, at: int) -> bool:
    """Whether the brace at `at` belongs to what comes before it: a LaTeX command, `^`, `_`, `}` or a backslash."""
    before = prompt[at - 1] if at else ""
    if before in "^_}\\":
        return bool(before)
    if before == "]":
        at = max(prompt.rfind("[", max(0, at - 100), at), 0)
    elif before == "*":
        at -= 1
    first = at
    while at and first - at < 60 and prompt[at - 1].isascii() and prompt[at - 1].isalpha():
        at -= 1
    return first > at > 0 and prompt[at - 1] == "\\"


class _Resolver:
    """Looks expressions up, each once, and keeps what it found."""

    def __init__(self, namespace: Mapping[str, Any], seconds: float, withhold: bool) -> None:
        self.withhold = withhold
        self.namespace = namespace
        self.seconds = seconds
        self.attached: dict[str, Any] = {}
        self.values: dict[str, str] = {}
        self._texts: dict[tuple[str, str | None, str | None], str | None] = {}
        self._hung: set[str] = set()

    def __call__(self, source: str, conversion: str | None, spec: str | None) -> str | None:
        """What stands for the braces, or None if they stay as typed."""
        key = (source, conversion, spec)
        if key not in self._texts:
            self._texts[key] = self._text(source, conversion, spec)
        return self._texts[key]

    def _text(self, source: str, conversion: str | None, spec: str | None) -> str | None:
        result = self._look_up(source)
        if result is None:
            return None
        value = result[0]
        if self.withhold and _holds_rows(source, value):
            self.attached.setdefault(source, value)
            return source
        if is_textlike(value) or self._is_name(value, conversion):
            text = self._rendered(value, conversion, spec or "")
        elif spec:
            own = type(value).__format__ is not object.__format__ and not holds_rows(value)
            text = self._rendered(value, conversion, spec) if own else None
        else:
            self.attached.setdefault(source, value)
            return source
        if text is not None:
            self.values[source] = text
        return text

    def _is_name(self, value: Any, conversion: str | None) -> bool:
        """Whether a path stands for itself: a folder, or with `!s` and `!r` a file too."""
        if not isinstance(value, PurePath):
            return False
        return conversion is not None or self._guarded("", Path(value).is_dir) is True

    def _look_up(self, source: str) -> tuple[Any] | None:
        node = expressions.read(source)
        if node is None or not expressions.is_path(node):
            return None
        name = expressions.root(node)
        if name not in self.namespace or _is_the_shells(name, self.namespace[name]):
            return None
        if expressions.is_instant(node, self.namespace):
            try:
                return (expressions.look_up(node, self.namespace),)
            except Exception:
                return None
        if name in self._hung:
            return None
        return self._guarded(name, lambda: (expressions.look_up(node, self.namespace),))

    def _rendered(self, value: Any, conversion: str | None, spec: str) -> str | None:
        if _HUGE_WIDTH.search(spec) or (isinstance(value, datetime.date) and spec and "%" not in spec):
            return None
        if type(value) in _PLAIN:
            try:
                return _format(value, conversion, spec)
            except ValueError:
                return None
        return self._guarded("", lambda: _format(value, conversion, spec))

    def _guarded(self, name: str, work: Callable[[], T]) -> T | None:
        try:
            outcome = guarded(work, self.seconds)
        except ClaudeError:
            return None
        if outcome.failure.startswith("took longer"):
            self._hung.add(name)
        return outcome.value


def _holds_rows(source: str, value: Any) -> bool:
    """Whether `--rows none` withholds it: a collection, record or text of rows. A shape is counts, and those may leave."""
    if isinstance(value, str):
        return bool(outlines.of_text(value))
    return outlines.is_collection(value) and not source.endswith(".shape")


def _format(value: Any, conversion: str | None, spec: str) -> str:
    match conversion:
        case "r":
            value = encodable_repr(repr(value))
        case "s":
            value = str(value)
        case "a":
            value = ascii(value)
        case _:
            pass
    if spec or isinstance(value, str):
        return format(value, spec)
    return encodable_repr(str(value))


def _is_the_shells(name: str, value: Any) -> bool:
    """IPython puts `exit`, `open` and the like into the namespace; no prompt means those."""
    module = getattr(type(value) if name in ("exit", "quit") else value, "__module__", None)
    return name in _SHELL and isinstance(module, str) and module.partition(".")[0] in _SHELL_MODULES


def _hints(prompt: str, namespace: Mapping[str, Any], pointed_at: set[str]) -> tuple[str, ...]:
    """About names outside fenced code, in the first 100,000 characters; three at most."""
    roots = {re.split(r"\W", name, maxsplit=1)[0] for name in pointed_at}
    sorts = {
        name: sort
        for name, value in list(namespace.items())
        if not name.startswith("_") and name not in roots and name.isidentifier() and (sort := sort_of(value))
    }
    if not sorts:
        return ()
    prose = _prose(prompt[:100_000])
    anyone = "|".join(sorted(map(re.escape, sorts), key=len, reverse=True))
    matches = re.findall(rf"(?<![\w.{{\\$])(?:{anyone})(?![\w}}])", prose)
    return tuple(
        f"`{name}` is a {sorts[name]} here; write {{{name}}} to show it"
        for name in list(dict.fromkeys(matches))[:3]
    )


def _prose(prompt: str) -> str:
    parts: list[str] = []
    at = 0
    for start, end in fences(prompt):
        parts.append(prompt[at:start])
        at = end
    return "".join([*parts, prompt[at:]])

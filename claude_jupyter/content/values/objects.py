"""Everything that is not a frame, picture or file → a short text: values, containers, functions, classes, modules.

Never raises and never hangs for what the value's own code does: a labelled placeholder says what happened instead.
"""

from __future__ import annotations

import gc
import inspect
import re
import types
from collections import deque
from collections.abc import Mapping, Sequence, Sized
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final

from claude_jupyter.content import markup, sources
from claude_jupyter.content.fence import Redactor, clip, redacted_middle, text_attachment
from claude_jupyter.content.guard import guarded, is_installed, libraries, method, mro, root_module, type_name
from claude_jupyter.content.outputs import without_base64
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.short import Redact, line, own_repr
from claude_jupyter.content.tokens import characters_of
from claude_jupyter.turns import Attachment

TEXT_TOKENS: Final = 20_000
"""The longest `str` that is shown whole."""
OBJECT_TOKENS: Final = 2_000
SOURCE_TOKENS: Final = 6_000
LINE_WIDTH: Final = 100
PUBLIC_NAMES: Final = 100
SAYS_NOTHING: Final = re.compile(r"<[\w.<>]+ object>")
LOOKED_AT: Final = 20_000
HOPS: Final = 12
PLAIN: Final = (str, bytes, int, float, complex, type, types.ModuleType, types.CodeType, type(None))
FRAME_LIBRARIES: Final = frozenset(
    {"pandas", "polars", "pyarrow", "duckdb", "_duckdb", "ibis", "dask", "xarray", "pyspark", "narwhals"}
)


def attach(value: Any, label: str, rules: Rules) -> Attachment:
    """A text that says what the value is, within a cap; what is cut says so."""
    if isinstance(value, str):
        return _text(value, label, rules)
    if isinstance(value, types.ModuleType):
        return _shown(_module(value), label, "module", rules, "module")
    if isinstance(value, type):
        return _code(value, label, "class", rules)
    if isinstance(
        value, types.FunctionType | types.MethodType | types.BuiltinFunctionType
    ) or _is_callable_wrapper(value):
        return _code(value, label, "function", rules)
    if rules.row_limit == 0 and (withheld := _withheld(value)):
        return _shown(withheld, label, type_name(type(value)), rules, "type only")
    own = _own_words(value)
    if own is not None:
        text, tabular = own
        if tabular and rules.row_limit == 0:
            return _shown("[table withheld: --rows none]", label, type_name(type(value)), rules, "type only")
        shown = _shown(text, label, type_name(type(value)), rules, _size(value))
        return replace(shown, rows=tabular)
    redactor = Redactor(rules)
    text = _pretty(value, redactor)
    return _shown(text, label, type_name(type(value)), rules, _size(value), redactor=redactor)


def placeholder(value: Any, label: str, rules: Rules, problem: str) -> Attachment:
    """Stands for a value that could not be shown: its type and why."""
    text = f"<{type_name(type(value))}: {problem}>"
    return text_attachment(text, label, "placeholder", rules, sent=problem, notes=(f"{problem}",))


def rest(label: str, plain: Sequence[tuple[str, Any]], rules: Rules, left_out: int) -> Attachment:
    """The plain elements of a container whose others are attached by themselves, and how many are not shown at all.

    Under `--rows none` they are types alone: beside a frame stand its group's keys and the like.
    """
    values = rules.row_limit != 0
    redactor = Redactor(rules)
    lines = [
        f"{name} = {line(element, LINE_WIDTH, redact=redactor) if values else '<' + type_name(type(element)) + '>'}"
        for name, element in plain
    ]
    if left_out:
        lines.append(f"[{left_out:,} more not shown]")
    sent = f"{len(plain):,} more value{'s' * (len(plain) != 1)}" if plain else f"{left_out:,} not shown"
    notes = (f"{left_out:,} more not shown",) if left_out else ()
    return _shown("\n".join(lines), label, "values", rules, sent, notes, redactor=redactor)


def _withheld(value: Any) -> str:
    """What is said under `--rows none` of a value whose repr may show cells; empty where it cannot."""
    inside = frames_inside(value)
    if inside:
        return f"{type_name(type(value))} that holds {', '.join(inside)}\n[its values withheld: --rows none]"
    if root_module(type(value)) in FRAME_LIBRARIES and not _is_scalar(value):
        return f"{type_name(type(value))}\n[its repr withheld: --rows none]"
    return ""


def _is_scalar(value: Any) -> bool:
    """Whether a library's object is one value or a type of values (`Timestamp`, `dtype`), not an expression or view."""
    names = {type_name(kind, short=True) for kind in mro(value)}
    return not names.isdisjoint(
        {
            "Timestamp",
            "Timedelta",
            "NaTType",
            "NAType",
            "Period",
            "DataType",
            "DataTypeClass",
            "ExtensionDtype",
        }
    )


def frames_inside(value: Any) -> list[str]:
    """Frames and arrays that a value holds, by shape alone, found without running any of its code."""
    from claude_jupyter.content.arrays import is_array
    from claude_jupyter.content.kinds import shape_of

    found: list[str] = []
    pending: deque[tuple[Any, int]] = deque([(value, 0), *((held, 1) for held in _named_by_repr(value))])
    seen: set[int] = set()
    while pending and len(seen) < LOOKED_AT and len(found) < 5:
        current, hops = pending.popleft()
        if isinstance(current, PLAIN) or id(current) in seen:
            continue
        seen.add(id(current))
        shape = shape_of(current) or (f"<{type_name(type(current))}>" if is_array(current) else None)
        if shape is not None:
            found.append(shape)
        elif hops < HOPS:
            pending.extend((held, hops + 1) for held in _held(current))
    return found


def _named_by_repr(value: Any) -> list[Any]:
    """What the repr of a user's class takes from its module: a frame that is no attribute but a global."""
    found: list[Any] = []
    for name in ("__repr__", "__str__"):
        function = next((kind.__dict__[name] for kind in mro(value) if name in kind.__dict__), None)
        if isinstance(function, types.FunctionType):
            names = function.__code__.co_names
            found.extend(function.__globals__[n] for n in names if n in function.__globals__)
            found.extend(_held(function))
    return found


def _held(value: Any) -> Sequence[Any]:
    """What an object refers to; of a function what it closes over and its defaults, not the module it lives in."""
    if isinstance(value, types.FunctionType):
        return (
            *(value.__defaults__ or ()),
            *(value.__kwdefaults__ or {}).values(),
            *(value.__closure__ or ()),
        )
    return gc.get_referents(value)


def _text(value: str, label: str, rules: Rules) -> Attachment:
    redactor = Redactor(rules)
    text, cut = redacted_middle(str.__str__(value), characters_of(TEXT_TOKENS), redactor)
    sent = f"{len(value):,} characters" + (", shortened" if cut else "")
    notes = (f"{len(value):,} characters, the middle left out",) if cut else ()
    return text_attachment(text, label, "text", rules, sent=sent, notes=notes, redactor=redactor)


def _shown(
    text: str,
    label: str,
    kind: str,
    rules: Rules,
    sent: str,
    notes: Sequence[str] = (),
    tokens: int = OBJECT_TOKENS,
    redactor: Redactor | None = None,
) -> Attachment:
    redactor = redactor or Redactor(rules)
    text, cut = redacted_middle(text, characters_of(tokens), redactor)
    if cut:
        notes = (*notes, f"shortened to about {tokens:,} tokens")
    return text_attachment(text, label, kind, rules, sent=sent, notes=notes, redactor=redactor)


def _own_words(value: Any) -> tuple[str, bool] | None:
    """What an object without a repr of its own shows in a notebook (`Markdown`, `Latex`, `HTML`), and whether it is a table."""
    shows = {name: method(value, name) for name in ("_repr_markdown_", "_repr_latex_", "_repr_html_")}
    if not any(shows.values()) or not SAYS_NOTHING.fullmatch(own_repr(value, LINE_WIDTH)):
        return None
    for name, function in shows.items():
        text = guarded(function).value if function is not None else None
        if isinstance(text, str) and text.strip():
            plain = markup.words(text) if name == "_repr_html_" else text
            return without_base64(plain), markup.has_table(text)
    return None


def _size(value: Any) -> str:
    kind = type_name(type(value), short=True)
    if isinstance(value, dict | list | tuple | set | frozenset):
        return f"{kind} of {len(value):,}"
    return kind


def _pretty(value: Any, redact: Redact) -> str:
    """One line where it fits, else one line an element; other objects by their own repr."""
    limit = characters_of(OBJECT_TOKENS)
    if is_dataclass(value) and not isinstance(value, type):
        return _fields(value, [f.name for f in fields(value) if f.repr], redact)
    if isinstance(value, types.SimpleNamespace):
        return _fields(value, list(vars(value)), redact)
    if isinstance(value, dict | list | tuple | set | frozenset) and type(value).__module__ in (
        "builtins",
        "collections",
    ):
        return _elements(value, limit, redact)
    if libraries(value) <= {"builtins", "typing", "abc", "collections"} and not isinstance(value, Sized):
        return line(value, limit, redact=redact)
    text = line(value, limit, redact=redact)
    if text.startswith(f"<{type_name(type(value))}:") or type(value).__repr__ is object.__repr__:
        return "\n".join([text, *_attributes(value, redact)])
    return text


def _fields(value: Any, names: Sequence[str], redact: Redact) -> str:
    lines = [f"{type_name(type(value))}("]
    for name in names[:PUBLIC_NAMES]:
        outcome = guarded(lambda name=name: getattr(value, name))
        lines.append(f"  {name}={outcome.failure or line(outcome.value, LINE_WIDTH, redact=redact)},")
    return "\n".join([*lines, ")"])


def _elements(value: Any, limit: int, redact: Redact) -> str:
    short = line(value, LINE_WIDTH, redact=redact)
    count = len(value)
    if len(short) < LINE_WIDTH and " more" not in short:
        return short
    lines = [f"{type_name(type(value), short=True)} of {count:,}:"]
    used = 0
    shown = 0
    for shown, element in enumerate(
        value.items() if isinstance(value, Mapping) else _ordered(value), start=1
    ):
        if isinstance(value, Mapping):
            text = f"  {line(element[0], LINE_WIDTH, redact=redact)}: {line(element[1], LINE_WIDTH * 3, redact=redact)}"
        else:
            text = f"  {line(element, LINE_WIDTH * 3, redact=redact)}"
        used += len(text) + 1
        if used > limit * 0.8 or shown > 200:
            shown -= 1
            break
        lines.append(text)
    if shown < count:
        lines.append(f"  [… {count - shown:,} more]")
    return "\n".join(lines)


def _ordered(value: Any) -> Any:
    if isinstance(value, set | frozenset):
        elements: list[Any] = list(value)[:1000]
        return sorted(elements, key=lambda element: line(element, LINE_WIDTH))
    return value


def _attributes(value: Any, redact: Redact) -> list[str]:
    """Plain attributes of an object whose repr says nothing: read from its `__dict__`, so that no property runs."""
    try:
        inside: dict[str, Any] = object.__getattribute__(value, "__dict__")
    except Exception:
        return []
    return [
        f"  .{name} = {line(held, LINE_WIDTH, redact=redact)}"
        for name, held in list(inside.items())[:30]
        if name[:1] != "_"
    ]


def _is_callable_wrapper(value: Any) -> bool:
    """functools' cached functions and the like: they hold the function they wrap."""
    return isinstance(inspect.getattr_static(value, "__wrapped__", None), types.FunctionType)


def _code(value: Any, label: str, kind: str, rules: Rules) -> Attachment:
    source = guarded(lambda: inspect.getsource(inspect.unwrap(value))).value
    if source is None and kind == "class":
        source = guarded(lambda: sources.of_class(value)).value
    brief = not _is_users(value) and isinstance(source, str) and len(source) > characters_of(OBJECT_TOKENS)
    if isinstance(source, str) and source.strip() and not brief:
        text = inspect.cleandoc("\n" + source) if source[:1].isspace() else source
        count = len(text.splitlines())
        lines = f"source, {count:,} line{'' if count == 1 else 's'}"
        return _shown(text, label, kind, rules, lines, tokens=SOURCE_TOKENS)
    if rules.row_limit == 0 and frames_inside(value):
        return _shown(f"{kind} {type_name(type(value))}", label, kind, rules, "type only")
    return _shown(_signature(value, kind), label, kind, rules, "signature")


def _is_users(value: Any) -> bool:
    """Whether code is the user's own: not in a folder of installed packages, nor Python's."""
    name = guarded(lambda: inspect.getfile(inspect.unwrap(value))).value
    return isinstance(name, str) and not is_installed(name)


def _signature(value: Any, kind: str) -> str:
    name = guarded(lambda: f"{value.__module__}.{value.__qualname__}").value or type_name(type(value))
    signature = guarded(lambda: str(inspect.signature(value))).value
    parts = [f"{kind} {name}{signature if isinstance(signature, str) else '(…)'}"]
    doc = guarded(lambda: inspect.getdoc(value)).value
    if isinstance(doc, str) and doc:
        parts.append(f'"""{clip(doc, 3000)}"""')
    if isinstance(value, type):
        names = [name for name in vars(value) if not name.startswith("_")]
        parts.append("public: " + ", ".join(names[:PUBLIC_NAMES]))
    return "\n".join(parts)


def _module(value: types.ModuleType) -> str:
    inside = object.__getattribute__(value, "__dict__")
    doc = inside.get("__doc__")
    public = inside.get("__all__")
    if not isinstance(public, list | tuple):
        public = [name for name in inside if isinstance(name, str) and not name.startswith("_")]
    parts = [f"module {inside.get('__name__', '?')}"]
    version = inside.get("__version__")
    if isinstance(version, str):
        parts[0] += f" {version}"
    if isinstance(doc, str) and doc.strip():
        parts.append(clip(inspect.cleandoc(doc), 1500))
    names = sorted(str(name) for name in public)
    more = f" and {len(names) - PUBLIC_NAMES:,} more" if len(names) > PUBLIC_NAMES else ""
    parts.append("public names: " + ", ".join(names[:PUBLIC_NAMES]) + more)
    return "\n".join(parts)

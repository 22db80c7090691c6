"""Everything that is not a frame, picture or file → a short text: values, containers, functions, classes, modules.

Never raises and never hangs for what the value's own code does: a labeled placeholder says what happened instead.
"""

from __future__ import annotations

import gc
import inspect
import json
import re
import types
from collections import deque
from collections.abc import Callable, Mapping, Sequence, Sized
from dataclasses import fields, is_dataclass, replace
from typing import Any, Final

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content import kinds
from claude_jupyter.content.guard import guarded, is_installed, libraries, method, mro, root_module, type_name
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text import markup
from claude_jupyter.content.text.fence import Redactor, clip, redacted_middle, text_attachment
from claude_jupyter.content.text.printed_text import without_base64
from claude_jupyter.content.text.token_estimate import characters_of
from claude_jupyter.content.text.whole import whole
from claude_jupyter.content.values import outlines, sources
from claude_jupyter.content.values.short import Redact, line, own_repr

OBJECT_TOKENS: Final = 2_000
LINE_WIDTH: Final = 100
TEXTS: Final = ("text/markdown", "text/latex", "text/html", "text/plain")
JSON: Final = "application/json"
PUBLIC_NAMES: Final = 100
SAYS_NOTHING: Final = re.compile(r"<[\w.<>]+ object>")
LOOKED_AT: Final = 20_000
HOPS: Final = 12
PLAIN: Final = (str, bytes, int, float, complex, type, types.ModuleType, types.CodeType, type(None))


def attach(value: Any, label: str, rules: Rules) -> Attachment:
    """A text that says what the value is, within a cap; what is cut says so."""
    if isinstance(value, str):
        return _text(value, label, rules)
    if isinstance(value, types.ModuleType):
        return _attachment(_module(value), label, "module", rules, "module")
    if isinstance(value, type):
        return _code(value, label, "class", rules)
    if isinstance(
        value, types.FunctionType | types.MethodType | types.BuiltinFunctionType
    ) or _is_callable_wrapper(value):
        return _code(value, label, "function", rules)
    if rules.row_limit == 0 and (withheld := _withheld(value)):
        return _attachment(withheld, label, type_name(type(value)), rules, "type only")
    own = _own_words(value)
    if own is not None:
        text, tabular = own
        if tabular and rules.row_limit == 0:
            return _attachment(
                "[table withheld: --rows none]", label, type_name(type(value)), rules, "type only"
            )
        attachments = _whole(text, label, type_name(type(value)), rules, _size(value))
        return replace(attachments, rows=tabular)
    redactor = Redactor(rules)
    text = _pretty(value, redactor)
    return _attachment(text, label, type_name(type(value)), rules, _size(value), redactor=redactor)


def placeholder(value: Any, label: str, rules: Rules, problem: str) -> Attachment:
    """Stands for a value that could not be shown: its type and why."""
    text = f"<{type_name(type(value))}: {problem}>"
    return text_attachment(text, label, "placeholder", rules, sent=problem, notes=(f"{problem}",))


def rest(label: str, plain: Sequence[tuple[str, Any]], rules: Rules, left_out: int) -> Attachment:
    """The plain elements of a container whose others are attached by themselves, and how many are not shown at all.

    Under `--rows none` they are types alone: beside a frame are its group's keys and the like.
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
    return _attachment("\n".join(lines), label, "values", rules, sent, notes, redactor=redactor)


def _withheld(value: Any) -> str:
    """What is said under `--rows none` of a value whose repr may show cells; empty if it cannot."""
    inside = frames_inside(value)
    if inside:
        return f"{type_name(type(value))} that holds {', '.join(inside)}\n[its values withheld: --rows none]"
    if root_module(type(value)) in kinds.LIBRARIES and not kinds.is_library_value(value):
        return f"{type_name(type(value))}\n[its repr withheld: --rows none]"
    return ""


def frames_inside(value: Any) -> list[str]:
    """Frames and arrays that a value holds, by shape alone, found without running any of its code."""
    from claude_jupyter.content.values.arrays import is_array

    shapes: list[str] = []
    pending: deque[tuple[Any, int]] = deque([(value, 0), *((inner, 1) for inner in _named_by_repr(value))])
    seen: set[int] = set()
    while pending and len(seen) < LOOKED_AT and len(shapes) < 5:
        current, hops = pending.popleft()
        if isinstance(current, PLAIN) or id(current) in seen:
            continue
        seen.add(id(current))
        shape = kinds.shape_of(current) or (f"<{type_name(type(current))}>" if is_array(current) else None)
        if shape is not None:
            shapes.append(shape)
        elif hops < HOPS:
            pending.extend((inner, hops + 1) for inner in _referents(current))
    return shapes


def _named_by_repr(value: Any) -> list[Any]:
    """What the repr of a user's class takes from its module: a frame that is not an attribute but a global."""
    values: list[Any] = []
    for name in ("__repr__", "__str__"):
        function = next((kind.__dict__[name] for kind in mro(value) if name in kind.__dict__), None)
        if isinstance(function, types.FunctionType):
            names = function.__code__.co_names
            values.extend(function.__globals__[n] for n in names if n in function.__globals__)
            values.extend(_referents(function))
    return values


def _referents(value: Any) -> Sequence[Any]:
    """What an object refers to; of a function what it closes over and its defaults, not the module it lives in."""
    if isinstance(value, types.FunctionType):
        return (
            *(value.__defaults__ or ()),
            *(value.__kwdefaults__ or {}).values(),
            *(value.__closure__ or ()),
        )
    return gc.get_referents(value)


def _text(value: str, label: str, rules: Rules) -> Attachment:
    if rules.row_limit == 0 and (outline := outlines.of_text(value)):
        return outlines.withheld(outline, label, "text", rules)
    redactor = Redactor(rules)
    text, cut, notes = whole(str.__str__(value), rules, redactor)
    sent = f"{len(value):,} characters{cut}"
    return text_attachment(text, label, "text", rules, sent=sent, notes=notes, redactor=redactor)


def _attachment(
    text: str,
    label: str,
    kind: str,
    rules: Rules,
    sent: str,
    notes: Sequence[str] = (),
    redactor: Redactor | None = None,
) -> Attachment:
    redactor = redactor or Redactor(rules)
    text, cut = redacted_middle(text, characters_of(OBJECT_TOKENS), redactor)
    if cut:
        notes = (*notes, f"shortened to about {OBJECT_TOKENS:,} tokens")
    return text_attachment(text, label, kind, rules, sent=sent, notes=notes, redactor=redactor)


def _whole(text: str, label: str, kind: str, rules: Rules, sent: str) -> Attachment:
    """What the user or an object wrote: all of it."""
    redactor = Redactor(rules)
    text, cut, notes = whole(text, rules, redactor)
    return text_attachment(text, label, kind, rules, sent=sent + cut, notes=notes, redactor=redactor)


def _own_words(value: Any) -> tuple[str, bool] | None:
    """What an object shows in a notebook beyond its repr, and whether it is a table; None if its repr says as much.

    Markdown goes before the repr; LaTeX, HTML and JSON stand for a repr that says nothing, and words in HTML that the repr lacks follow it.
    """
    bundle = _own_bundle(value)
    if not bundle:
        return None
    own_text = own_repr(value, LINE_WIDTH * 20)
    says_nothing = SAYS_NOTHING.fullmatch(own_text) is not None
    html = bundle.get("text/html", "")
    data = bundle.get(JSON, "")
    tabular = any(markup.has_table(text) for text in bundle.values()) or bool(data and outlines.of_text(data))
    if "text/markdown" in bundle:
        return without_base64(bundle["text/markdown"]), tabular
    if says_nothing:
        text = bundle.get("text/latex") or markup.words(html) or data or bundle.get("text/plain", "")
        return (without_base64(text), tabular) if text.strip() else None
    words = without_base64(markup.words(html))
    return (f"{own_text}\n{words}", tabular) if len(words) > len(own_text) else None


def _own_bundle(value: Any) -> dict[str, str]:
    """The texts of `_repr_mimebundle_` and the like; each may come with metadata, as `(data, metadata)`."""
    texts: dict[str, str] = {}
    for kind in ("markdown", "latex", "html"):
        function = method(value, f"_repr_{kind}_")
        text = _without_metadata(guarded(function).value) if function is not None else None
        if isinstance(text, str) and text.strip():
            texts[f"text/{kind}"] = text
    function = method(value, "_repr_json_")
    if function is not None and (data := _as_json(_without_metadata(guarded(function).value))) is not None:
        texts[JSON] = data
    function = method(value, "_repr_mimebundle_")
    bundle = guarded(lambda: _called(function)).value if function is not None else None
    bundle = _without_metadata(bundle)
    if isinstance(bundle, Mapping):
        whole: dict[str, Any] = {str(kind).partition(";")[0]: _joined(text) for kind, text in bundle.items()}
        texts |= {
            kind: text
            for kind, text in whole.items()
            if kind in TEXTS and isinstance(text, str) and text.strip()
        }
        if (data := _as_json(whole.get(JSON))) is not None:
            texts[JSON] = data
    return texts


def _as_json(data: Any) -> str | None:
    if not isinstance(data, dict | list) or not data:
        return None
    return guarded(lambda: json.dumps(data, ensure_ascii=False)).value


def _called(function: Callable[..., Any]) -> Any:
    """As IPython calls it; some take no such arguments."""
    try:
        inspect.signature(function).bind(include=None, exclude=None)
    except (TypeError, ValueError):
        return function()
    return function(include=None, exclude=None)


def _without_metadata(output: Any) -> Any:
    return output[0] if isinstance(output, tuple) and len(output) == 2 else output


def _joined(text: Any) -> Any:
    return "".join(text) if isinstance(text, list) and all(isinstance(part, str) for part in text) else text


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
    included = 0
    for included, element in enumerate(
        value.items() if isinstance(value, Mapping) else _ordered(value), start=1
    ):
        if isinstance(value, Mapping):
            text = f"  {line(element[0], LINE_WIDTH, redact=redact)}: {line(element[1], LINE_WIDTH * 3, redact=redact)}"
        else:
            text = f"  {line(element, LINE_WIDTH * 3, redact=redact)}"
        used += len(text) + 1
        if used > limit * 0.8 or included > 200:
            included -= 1
            break
        lines.append(text)
    if included < count:
        lines.append(f"  [… {count - included:,} more]")
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
        f"  .{name} = {line(attribute, LINE_WIDTH, redact=redact)}"
        for name, attribute in list(inside.items())[:30]
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
        return _whole(text, label, kind, rules, lines)
    if rules.row_limit == 0 and frames_inside(value):
        return _attachment(f"{kind} {type_name(type(value))}", label, kind, rules, "type only")
    return _attachment(_signature(value, kind), label, kind, rules, "signature")


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

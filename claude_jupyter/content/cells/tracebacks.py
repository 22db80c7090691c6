"""An exception → its traceback with source lines, the failing frame's variables, and what it was caused by.

Under `--rows none` variables are types and shapes, and only words of a message that are not cell values are kept (`_masked`).
"""

from __future__ import annotations

import ast
import linecache
import math
import re
import types
from collections.abc import Iterator, Mapping
from itertools import groupby
from typing import Any, Final

from claude_jupyter.answer.model import Attachment
from claude_jupyter.content.guard import guarded, is_installed, type_name
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text.fence import Redactor, clip, redacted_middle, text_attachment
from claude_jupyter.content.text.token_estimate import characters_of
from claude_jupyter.content.values.arrays import is_array
from claude_jupyter.content.values.short import line

ERROR_TOKENS: Final = 4_000
FRAMES: Final = 12
INSIDE: Final = 1
CONTEXT: Final = 3
LOCALS: Final = 30
CHAINED: Final = 5
MESSAGE: Final = 2_000
WORDS: Final = frozenset(
    re.findall(
        r"\w+",
        """
        all already an and any are argument arguments array as at attribute be bool boolean both bounds but by call
        callable cannot cast column columns combine compare contain contains conversion convert could data dataframe
        date datetime defined dict different dimension dimensions divide division do does dtype dtypes duplicate
        either element empty end error exceeds exist expected expects failed file first float for found frame from
        function given got has have if in incompatible index indexer indexing indices infinity input instance int
        integer integers invalid is it item items iterable key keys label labels length lengths list literal lossless
        match matching may maximum merge method minimum missing mixed module more multiple must name named names nan
        no non none not null number numbers numeric object objects of on one only operand operands operation or out
        outside overflow parse parsing passed position positional range reindex required row rows same series set
        shape shapes should size slice str string strings struct subscriptable support supported takes than that the
        this to too try tuple type types unable unbalanced unexpected unhashable unknown unpack unsupported
        unsupported use using value values was when where with within without wrong you your zero
        """,
    )
)
"""Words from Python's and the dataframe libraries' own messages: they may be sent under `--rows none`."""


def attach(error: BaseException, label: str, rules: Rules, *, cell: str = "") -> Attachment:
    """The traceback, its causes first, as text.

    Parameters
    ----------
    cell
        The source of the failing cell, if it is known.
    """
    values = rules.row_limit != 0
    redactor = Redactor(rules)
    parts = [_one(e, how, values, redactor, last=e is error) for e, how in _chain(error)]
    if cell:
        parts.insert(0, f"the failing cell:\n{cell.rstrip()}\n")
    text, cut = redacted_middle("\n".join(parts), characters_of(ERROR_TOKENS), redactor)
    notes = ["traceback shortened"] if cut else []
    if not values:
        notes.append("values and parts of messages withheld (--rows none)")
    name = type_name(type(error), short=True)
    return text_attachment(
        text,
        label,
        "error",
        rules,
        sent=f"{name} with traceback",
        as_kind="error",
        notes=notes,
        redactor=redactor,
        rows=values and _near_frames(error),
    )


def _near_frames(error: BaseException) -> bool:
    """Whether a dataframe's values can be in the message or the variables: one is available, or its library raised."""
    from claude_jupyter.content.kinds import LIBRARIES, is_frame

    for link, _ in _chain(error):
        for frame, _line in _frames(link):
            if str(frame.f_globals.get("__name__", "")).partition(".")[0] in LIBRARIES:
                return True
            if any(is_frame(value) for value in list(frame.f_locals.values())[:500]):
                return True
    return False


def _chain(error: BaseException) -> list[tuple[BaseException, str]]:
    """The error and its causes, the oldest first."""
    chain: list[tuple[BaseException, str]] = []
    current: BaseException | None = error
    how = ""
    while current is not None and len(chain) < CHAINED and all(current is not e for e, _ in chain):
        chain.append((current, how))
        if current.__cause__ is not None:
            current, how = current.__cause__, "which directly caused:"
        elif not current.__suppress_context__:
            current, how = current.__context__, "during the handling of which this happened:"
        else:
            break
    return chain[::-1]


def _one(error: BaseException, how: str, values: bool, redactor: Redactor, *, last: bool) -> str:
    frames = list(_frames(error))
    allowed = _allowed(frames)
    lines: list[str] = []
    if frames:
        lines.append("Traceback (most recent call last):")
        for part in _folded(frames):
            lines.extend([part] if isinstance(part, str) else _frame(*part, redactor, own=_is_users(part[0])))
    lines.append(_message(error, allowed, values, redactor))
    lines.extend(_members(error, values, redactor))
    if last and frames:
        lines.extend(_variables(error, _failing(frames), values, redactor))
    if how:
        lines.extend(["", how, ""])
    return "\n".join(lines)


def _folded(frames: list[tuple[types.FrameType, int]]) -> Iterator[tuple[types.FrameType, int] | str]:
    """The frames; of long runs in the user's code or in libraries only the ends, with a note of what is left out."""
    for own, run in groupby(frames, key=lambda pair: _is_users(pair[0])):
        members = list(run)
        ends = FRAMES // 2 if own else INSIDE
        if len(members) <= 2 * ends + 1:
            yield from members
            continue
        yield from members[:ends]
        yield f"  [… {len(members) - 2 * ends:,} frames left out …]"
        yield from members[-ends:]


def _frames(error: BaseException) -> Iterator[tuple[types.FrameType, int]]:
    current = error.__traceback__
    while current is not None:
        if not _is_machinery(current.tb_frame):
            yield current.tb_frame, current.tb_lineno
        current = current.tb_next


def _is_machinery(frame: types.FrameType) -> bool:
    """IPython's own frames that run a cell, and ours."""
    return str(frame.f_globals.get("__name__", "")).partition(".")[0] in (
        "IPython",
        "ipykernel",
        "claude_jupyter",
    )


def _is_users(frame: types.FrameType) -> bool:
    return not is_installed(frame.f_code.co_filename)


def _failing(frames: list[tuple[types.FrameType, int]]) -> types.FrameType:
    """The innermost frame of the user's own code, else the innermost."""
    return next((frame for frame, _ in reversed(frames) if _is_users(frame)), frames[-1][0])


def _frame(frame: types.FrameType, number: int, redactor: Redactor, *, own: bool) -> list[str]:
    code = frame.f_code
    lines = [f"  {_place(frame)}, line {number}, in {code.co_name}"]
    first, last = _context(code, number) if own else (number, number)
    for at in range(first, last + 1):
        source = linecache.getline(code.co_filename, at, frame.f_globals).rstrip("\n")
        if source.strip():
            lines.append(f"  {'-->' if at == number else '   '} {at:4} {clip(redactor(source), 200)}")
    return lines


def _context(code: types.CodeType, number: int) -> tuple[int, int]:
    """The lines around one, within its function."""
    last = number + CONTEXT
    if code.co_name != "<module>":
        last = min(last, max((at for *_, at in code.co_lines() if at is not None), default=number))
    return max(number - CONTEXT, code.co_firstlineno), max(last, number)


def _place(frame: types.FrameType) -> str:
    """Where the code is, without a path of this machine: the cell, the file's name, or the library's module."""
    name = frame.f_code.co_filename
    if "ipykernel_" in name or name.startswith("<ipython-input"):
        return "cell"
    if name.startswith("<"):
        return name
    module = str(frame.f_globals.get("__name__", ""))
    return module if module not in ("", "__main__") and not _is_users(frame) else re.split(r"[\\/]", name)[-1]


def _message(error: BaseException, allowed: frozenset[str], values: bool, redactor: Redactor) -> str:
    name = type_name(type(error))
    if isinstance(error, SyntaxError):
        where = f" (line {error.lineno})" if error.lineno else ""
        source = f"\n  {error.text.strip()}" if isinstance(error.text, str) else ""
        return f"{name}: {error.msg}{where}{source}"
    outcome = guarded(lambda: str(error))
    text = outcome.value
    if outcome.failure or not isinstance(text, str):
        return f"{name}: <its message {outcome.failure or 'is not text'}>"
    notes = [str(note) for note in getattr(error, "__notes__", None) or ()]
    text = "\n".join([redacted_middle(text, MESSAGE, redactor)[0], *notes])
    if not values:
        text = _masked(text, allowed)
    return f"{name}: {text}" if text.strip() else name


def _members(error: BaseException, values: bool, redactor: Redactor) -> list[str]:
    if not isinstance(error, BaseExceptionGroup):
        return []
    return [f"  | {_message(e, _allowed(list(_frames(e))), values, redactor)}" for e in error.exceptions[:10]]


def _allowed(frames: list[tuple[types.FrameType, int]]) -> frozenset[str]:
    """Words that may be in a message under `--rows none`: column names of the frames in scope (they may be sent) and type names."""
    from claude_jupyter.content.kinds import is_frame

    words: set[str] = set()
    for frame, _ in frames:
        if not _is_users(frame):
            continue
        for value in list(frame.f_locals.values())[:200]:
            if is_frame(value):
                words.update(guarded(lambda value=value: _column_names(value)).value or ())
    return frozenset(words)


def _column_names(frame: Any) -> list[str]:
    # A lazy frame of Polars warns where its columns are asked for by that name.
    names = frame.collect_schema() if hasattr(frame, "collect_schema") else frame.columns
    return [str(name) for name in list(names)[:1000]]


def _masked(text: str, allowed: frozenset[str]) -> str:
    """The message without anything that could be a cell value: words that are neither of `WORDS` nor column names become `…`."""

    def word(match: re.Match[str]) -> str:
        text = match[0]
        may_leave = (
            text.lower() in WORDS or text in allowed or re.fullmatch(r"(u?int|float)(8|16|32|64)", text)
        )
        return text if may_leave else "…"

    masked = re.sub(r"[^\s'\"\[\](){},:;=<>`]+", lambda m: _word(m[0], word), text)
    return re.sub(r"…(?:['\"]?[\s,]+['\"]?…)+", "…", masked)


def _word(text: str, word: Any) -> str:
    core = text.strip(".!?")
    if not core:
        return text
    return text.replace(core, re.sub(r".+", word, core, flags=re.DOTALL), 1)


def _statement_names(error: BaseException, frame: types.FrameType) -> list[str]:
    """Names in the statement that failed, those of the failing expression first; empty if its source is not available."""
    from executing import Source

    current, failing = error.__traceback__, None
    while current is not None:
        failing = current if current.tb_frame is frame else failing
        current = current.tb_next
    if failing is None:
        return []
    try:
        executing = Source.executing(failing)
        nodes: list[Any] = [executing.node, *executing.statements]
    except Exception:  # the source has changed since, or was never text
        return []
    # For a loop or `with`, only its head can have failed: its body fails as separate statements.
    parts = [part for node in nodes if isinstance(node, ast.AST) for part in _heads(node)]
    return [node.id for part in parts for node in ast.walk(part) if isinstance(node, ast.Name)]


def _heads(node: ast.AST) -> list[ast.AST]:
    if not isinstance(node, ast.stmt) or not hasattr(node, "body"):
        return [node]
    return [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.stmt)]


def _weight(value: Any) -> int:
    """About how many values it contains, according to its own library or Python."""
    if type(value) in (list, tuple, dict, set, frozenset, str, bytes):
        return len(value)
    shape = guarded(lambda: tuple(value.shape)).value if is_array(value) or _is_eager(value) else None
    return math.prod(map(int, shape)) if shape else 0


def _is_eager(value: Any) -> bool:
    from claude_jupyter.content.kinds import shape_of

    return " × " in (shape_of(value) or "")


def _variables(error: BaseException, frame: types.FrameType, values: bool, redactor: Redactor) -> list[str]:
    """The failing frame's variables: those of the failing statement first, the rest by size; frames by their dtypes."""
    names: Mapping[str, Any] = frame.f_locals
    first = [name for name in _statement_names(error, frame) if name in names]
    used = [name for name in (*frame.f_code.co_names, *frame.f_code.co_varnames) if name in names]
    if frame.f_code.co_name != "<module>":
        used = [*used, *names]
    rest = sorted(dict.fromkeys(used), key=lambda name: -_weight(names[name]))
    lines: list[str] = []
    for name in dict.fromkeys([*first, *rest]):
        value = names[name]
        if name.startswith("_") or isinstance(
            value,
            types.ModuleType | type | types.FunctionType | types.BuiltinFunctionType | types.MethodType,
        ):
            continue
        if len(lines) >= LOCALS:
            lines.append("  …")
            break
        lines.append(f"  {name} = {variable(value, values, redactor)}")
    return ["", f"variables in {_place(frame)}, {frame.f_code.co_name}:", *lines] if lines else []


def variable(value: Any, values: bool, redactor: Redactor) -> str:
    """A variable on one line: a frame's shape and dtypes (they explain most errors), else its value, or its type alone."""
    from claude_jupyter.content.dataframes.frames import schema_line
    from claude_jupyter.content.kinds import is_frame

    if is_frame(value):
        return schema_line(value, values=values)
    if values:
        return line(value, 120, redact=redactor)
    return f"<{type_name(type(value))}>"

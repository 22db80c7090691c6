"""Helpers of `analysis.py` that query the syntax tree. Pure; nothing is looked up or run."""

from __future__ import annotations

import ast
import inspect
import re
import sys
import textwrap
import types
from typing import Any

from claude_jupyter.kernel.effects.patterns import Kind, words

READS = (
    "read",
    "load",
    "scan",
    "open",
    "imread",
    "from",
    "exists",
    "is_",
    "iterdir",
    "glob",
    "rglob",
    "stat",
    "fetch",
)


def as_python(cell: str) -> str:
    """A cell's source with its magics and shell lines written as calls of IPython's shell.

    Raises
    ------
    SyntaxError
        For what IPython itself cannot read.
    """
    from IPython.core.inputtransformer2 import TransformerManager

    return TransformerManager().transform_cell(cell)


def is_figure(value: Any) -> bool:
    return type(value).__module__.partition(".")[0] in (
        "matplotlib",
        "mpl_toolkits",
        "plotly",
        "bokeh",
        "seaborn",
    )


def is_shell(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "get_ipython"


def is_container(label: str) -> bool:
    return label in ("builtins.list", "builtins.dict", "builtins.set", "builtins.tuple", "builtins.sorted")


def changes_first(label: str) -> bool:
    """Whether a function that changes something changes its arguments rather than a state of its own."""
    home = label.partition(".")[0]
    return home in ("heapq", "bisect", "operator", "functools") or label in (
        "builtins.next", "numpy.copyto", "numpy.put", "numpy.place", "numpy.putmask", "numpy.fill_diagonal",
        "numpy.put_along_axis", "numpy.random.shuffle", "random.shuffle", "matplotlib.pyplot.setp", "matplotlib.artist.setp",
    )  # fmt: skip


def definition(function: types.FunctionType) -> ast.FunctionDef | ast.AsyncFunctionDef | None:
    try:
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    except (OSError, TypeError, SyntaxError, ValueError):
        return None
    statement = tree.body[0] if tree.body else None
    return statement if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) else None


def copies_on_write(value: Any) -> bool:
    if type(value).__module__.partition(".")[0] != "pandas":
        return False
    version = getattr(sys.modules.get("pandas"), "__version__", "0")
    return int(version.partition(".")[0]) >= 3 and type(value).__name__ in ("DataFrame", "Series")


MASKS = frozenset(
    words(
        """
    isin isna notna isnull notnull between contains startswith endswith duplicated eq ne lt le gt ge
        """
    )
)


def is_mask(node: ast.expr) -> bool:
    """Whether a subscript selects by a condition or a list of names, which copies in every dataframe library."""
    if isinstance(node, ast.Tuple) and node.elts:
        return is_mask(node.elts[0])
    if isinstance(node, ast.BinOp):
        return isinstance(node.op, ast.BitAnd | ast.BitOr | ast.BitXor)
    if isinstance(node, ast.Call):
        return isinstance(node.func, ast.Attribute) and node.func.attr in MASKS
    return isinstance(node, ast.Compare | ast.List) or (
        isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Invert)
    )


def is_plain_query(node: ast.Call) -> bool:
    """Whether a query is a literal text without calls, attributes or assignment."""
    text = node.args[0] if node.args else None
    if not isinstance(text, ast.Constant) or not isinstance(text.value, str):
        return False
    bare = re.sub(r"[=!<>]=", "", text.value)
    return not any(part in bare for part in ("(", "__", "="))


def names_target(node: ast.Call) -> bool:
    return bool(node.args) or any(k.arg in TARGETS for k in node.keywords)


TARGETS = (
    "path_or_buf", "buf", "path", "fname", "file", "filename", "filepath_or_buffer", "io", "excel_writer", "source", "fp", "where",
)  # fmt: skip
"""Keywords that name a file."""
_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_PATH = re.compile(r"[^\s%;|{}]*(?:[/\\][^\s%;|{}]*|\.\w{1,8})")


CONTENT = ("write", "writelines", "write_text", "write_bytes", "send", "sendall")
"""Methods whose arguments are what is written, not where."""


def phrase(kind: Kind, label: str, node: ast.Call) -> tuple[Kind, str]:
    """The effect in words: the file, address or command where the code names it, else the function. A file at an address is network."""
    name = label.rpartition(".")[2]
    if kind == "files":
        named = _file(name, label, node)
        if named is None or len(named) > 80:
            return kind, label
        if _ADDRESS.match(named):
            return "network", f"{name} {named}"
        return kind, f"{'reads' if name.startswith(READS) and not writes(label, node) else 'writes'} {named}"
    arguments = [] if name in CONTENT else [*node.args, *(k.value for k in node.keywords)]
    literal = next(filter(None, map(_text, arguments)), None)
    return kind, label if literal is None or len(literal) > 80 else f"{name} {literal}"


def _file(name: str, label: str, node: ast.Call) -> str | None:
    """The file that a call names: its first argument or the keyword for it, or else an argument that looks like a path."""
    if name in CONTENT or label == "open":  # of a path: its first argument is the mode
        arguments: list[ast.expr] = []
    else:
        arguments = [*node.args[:1], *(k.value for k in node.keywords if k.arg in TARGETS)]
        if name != "open":
            arguments += [a for a in node.args[1:] if _PATH.fullmatch(_text(a) or "")]
    receiver = node.func.value if isinstance(node.func, ast.Attribute) else None
    if isinstance(receiver, ast.Call) and getattr(receiver.func, "attr", "") != "open":
        arguments += receiver.args[:1]  # Path("out.txt").write_text(…)
    literal = next(filter(None, map(_text, arguments)), None)
    return ast.unparse(node.args[0]) if literal is None and name == "open" != label and node.args else literal


def _text(node: ast.expr) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def writes(label: str, node: ast.Call) -> bool:
    """Whether the mode in which a file is opened says so; a path's own `open` takes it first."""
    at = 0 if label == "open" else 1
    mode = (
        node.args[at]
        if len(node.args) > at
        else next((k.value for k in node.keywords if k.arg == "mode"), None)
    )
    return (
        isinstance(mode, ast.Constant) and isinstance(mode.value, str) and bool(set("wax+") & set(mode.value))
    )

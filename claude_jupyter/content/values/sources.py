"""The source of a class that a cell defined: `inspect` looks for a class's module file, and a notebook has none.

IPython keeps the text of every cell in `linecache`, for tracebacks; nothing is imported or run here.
"""

from __future__ import annotations

import ast
import linecache
import types
from collections.abc import Iterator, Sequence


def of_class(kind: type) -> str | None:
    """The statement that defined the class, decorators included; None if no cell holds it."""
    path = kind.__qualname__.split(".")
    if "<locals>" in path:
        return None
    for lines in _cells(kind):
        text = "".join(lines)
        if f"class {path[-1]}" not in text:
            continue
        try:
            node = _defined(ast.parse(text).body, path)
        except (SyntaxError, ValueError, RecursionError):
            continue
        if node is not None and _fits(node, kind):
            first = min([node.lineno, *(decorator.lineno for decorator in node.decorator_list)])
            return "".join(lines[first - 1 : node.end_lineno])
    return None


def _cells(kind: type) -> Iterator[Sequence[str]]:
    """The cells that may hold it: those of its own methods, else all, newest first."""
    own = {
        value.__code__.co_filename
        for value in vars(kind).values()
        if isinstance(value, types.FunctionType) and value.__qualname__.startswith(f"{kind.__qualname__}.")
    }
    cells = [name for name in reversed(list(linecache.cache)) if _is_cell(name)]
    for name in [name for name in cells if name in own] or cells:
        yield linecache.getlines(name)


def _is_cell(name: str) -> bool:
    return "ipykernel_" in name or name.startswith("<ipython-input")


def _defined(body: Sequence[ast.stmt], path: Sequence[str]) -> ast.ClassDef | None:
    """The last definition of the class in these statements, also one behind an `if` or `try`."""
    node = None
    for statement in body:
        if isinstance(statement, ast.ClassDef):
            if statement.name == path[0]:
                node = statement if len(path) == 1 else _defined(statement.body, path[1:])
        elif isinstance(statement, ast.If | ast.Try | ast.With | ast.For):
            inner = [child for child in ast.iter_child_nodes(statement) if isinstance(child, ast.stmt)]
            node = _defined(inner, path) or node
    return node


def _fits(defined: ast.ClassDef, kind: type) -> bool:
    """Whether what its body gives names to is the class's: another cell may define another class of the same name."""
    names: set[str] = set()
    annotated: set[str] = set()
    for statement in defined.body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.Assign(targets=targets):
                names.update(target.id for target in targets if isinstance(target, ast.Name))
            case ast.AnnAssign(target=ast.Name(id=name)):
                annotated.add(name)
            case _:
                pass
    return names <= set(vars(kind)) and annotated == set(getattr(kind, "__annotations__", ()))

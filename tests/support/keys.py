"""Which keys the tests use, found in their own sources, so that `tests/secrets_audit.py` can look for all of them.

A key is a literal that a test hands over as one (`api_key="…"`, `ANTHROPIC_API_KEY=…`, `SOME_TOKEN = "…"`) or that is shaped
like one. Nothing has to be registered; a key only has to be long enough to be told from ordinary text.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

SHORTEST = 10
NAMED = re.compile(r"(?i)(?:api_?key|access_key|auth_token|_secret|_token)$|^(?:\w+_)?(?:KEY|SECRET|TOKEN)$")
SHAPED = re.compile(r"sk-ant-[\w-]*\w|AKIA[A-Z0-9]{12,}|gh[pousr]_\w{20,}")
WRITTEN = re.compile(r"\b[A-Z][A-Z0-9_]*_(?:KEY|TOKEN|SECRET)=([\w./+-]+)")
NOT_KEYS = {
    "": "no key is set",
    "ANTHROPIC_API_KEY": "a variable's name",
    "demo": "the provider's name",
    "administrator": "an ordinary word, which must not be redacted",
    "customer_id_hash": "an ordinary value, which must not be redacted",
    "short1": "too short to be redacted, which is what is tested",
    "tests": "the token of the tests' own Jupyter server, which is in every address",
    "x": "refused as an option whatever its value",
    "k": "the beginning of a key whose rest is looked up",
    "sk-ant-": "the beginning of a key that is put together",
    "sk-ant-api03-": "the beginning of a key that is put together",
    "sk-ant-api03": "the beginning of a key that is put together",
}


def used_keys(folder: Path) -> tuple[dict[str, str], list[str]]:
    """The keys in the Python files below `folder` by the file that uses them first, and what cannot be looked for."""
    places: dict[str, str] = {}
    unfit: list[str] = []
    for path in sorted(folder.rglob("*.py")):
        if "node_modules" in path.parts or path == Path(__file__):
            continue
        for key in literals(ast.parse(path.read_text())):
            if key in NOT_KEYS or key in places:
                continue
            if len(key) < SHORTEST:
                unfit.append(
                    f"{path.relative_to(folder)}: {key!r} is too short to be looked for; make it longer"
                )
            else:
                places[key] = path.relative_to(folder).as_posix()
    return places, unfit


def literals(tree: ast.AST) -> Iterator[str]:
    """Every literal that is used as a key, or is shaped like one."""
    for node in ast.walk(tree):
        for name, value in _named(node):
            value = value.left if isinstance(value, ast.BinOp) else value
            key = value.value if isinstance(value, ast.Constant) else None
            other = name == "key" and len(str(key)) < SHORTEST  # of a cache, say
            if NAMED.search(name) and isinstance(key, str) and not other:
                yield key
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            shaped = (*SHAPED.findall(node.value), *WRITTEN.findall(node.value))
            yield from (key.rstrip("-") for key in shaped if not key.endswith("..."))


def _named(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    """Pairs of a name and the expression that it stands for."""
    match node:
        case ast.Call(args=args, keywords=keywords):
            yield from ((keyword.arg, keyword.value) for keyword in keywords if keyword.arg)
            yield from _texts(pairwise(args))
        case ast.Dict(keys=keys, values=values):
            yield from _texts(zip(keys, values, strict=True))
        case ast.Tuple(elts=items) | ast.List(elts=items):
            yield from _texts(pairwise(items))
        case ast.Assign(targets=targets, value=value):
            yield from ((target.id, value) for target in targets if isinstance(target, ast.Name))
        case _:
            return


def _texts(pairs: Iterable[tuple[ast.expr | None, ast.expr]]) -> Iterator[tuple[str, ast.expr]]:
    for name, value in pairs:
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            yield name.value, value

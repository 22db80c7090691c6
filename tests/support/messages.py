"""Print every sentence of the package that a person may read, in one table, for a review with fresh eyes.

    python tests/support/messages.py              what people read: errors, notices, labels, settings, replies of the demo
    python tests/support/messages.py --sample 100 a random hundred of them
    python tests/support/messages.py --pages      README, the other Markdown files and the notebooks, a paragraph a line
    python tests/support/messages.py --docs       docstrings and comments of the package
    python tests/support/messages.py --all        also what only Claude or a client of the service reads

Python strings come from the syntax tree, with `{…}` where a value is filled in; those of TypeScript and of the settings'
schema from their sources. SQL and patterns are left out.
"""

from __future__ import annotations

import argparse
import ast
import io
import json
import random
import re
import sys
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOR_CLAUDE = ("claude_jupyter/kernel/look/", "claude_jupyter/demo/oracle/")
SQL = re.compile(
    r"[\s(]*(SELECT|INSERT|UPDATE|DELETE|CREATE|ALTER|DROP|PRAGMA|WITH|BEGIN|FROM|WHERE)\b|.* = \?|.*[a-z-]+: ?(var|[0-9a-z]+;)",
    re.DOTALL,
)
WORDS = re.compile(
    r"[A-Za-z’']{2,}[,;:.]? +(?:[A-Za-z{`\"'(-])|[A-Z][a-z]+ …|[{}`\")] [a-z]{2,}|[a-z]{2,} [{0-9]"
)
LABEL = re.compile(r"[A-Z][a-z]+(…| …)?")
TS_TOKEN = re.compile(
    r"//[^\n]*|/\*.*?\*/|(?<=[(,=:\[!&|?{;])\s*/(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/*\\\n\[])(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\n\[])*/"
    r"|`(?:\\.|[^`\\])*`|'(?:\\.|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\"|\$\{",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Message:
    """One string: where it stands, what it is used for, and its text."""

    file: str
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}\t{self.kind}\t{self.text}"


def is_prose(text: str) -> bool:
    """True for text that reads as a sentence or a label, not as SQL, a pattern, markup or a path."""
    if (
        SQL.match(text)
        or len(text) > 1000
        or re.search(r"\\[sdbw]|\(\?[:=!P]|^\s*<[a-z/]|^[.#][a-z-]+ ", text)
    ):
        return False
    return bool(WORDS.search(text))


def rendered(node: ast.expr) -> str | None:
    """The text of a string expression, with `{source}` for each value that is filled in."""
    match node:
        case ast.Constant(value=str() as text):
            return text
        case ast.JoinedStr(values=values):
            return "".join(
                rendered(v) or f"{{{ast.unparse(v.value) if isinstance(v, ast.FormattedValue) else '?'}}}"
                for v in values
            )
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            one, two = rendered(left), rendered(right)
            if one is None and two is None:
                return None
            return (one or f"{{{ast.unparse(left)}}}") + (two or f"{{{ast.unparse(right)}}}")
        case _:
            return None


def docstrings(tree: ast.AST) -> set[int]:
    """Ids of the constants that are docstrings, of attributes too."""
    holders = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    bodies = (node.body for node in ast.walk(tree) if isinstance(node, holders))
    return {
        id(one.value)
        for body in bodies
        for one in body
        if isinstance(one, ast.Expr) and isinstance(one.value, ast.Constant)
    }


def strings(node: ast.AST, kind: str, skip: set[int]) -> Iterator[tuple[int, str, str]]:
    """(line, kind, text) of the strings below `node`; `kind` is the nearest call, assignment or `raise` around them."""
    if id(node) in skip:
        return
    if isinstance(node, ast.expr) and (text := rendered(node)) is not None:
        yield node.lineno, kind, text
        return
    match node:
        case ast.Raise():
            kind = "raise"
        case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
            kind = kind if kind == "raise" else name
        case ast.Assign(targets=[ast.Name(id=name), *_]) | ast.AnnAssign(target=ast.Name(id=name)):
            kind = name
        case ast.Return():
            kind = "return"
        case _:
            pass
    for child in ast.iter_child_nodes(node):
        yield from strings(child, kind, skip)


def of_python(path: Path) -> Iterator[Message]:
    """Messages of one Python file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    file = path.relative_to(ROOT).as_posix()
    for line, kind, text in strings(tree, "", docstrings(tree)):
        if is_prose(text):
            yield Message(file, line, kind, text.replace("\n", "⏎"))


def of_typescript(path: Path) -> Iterator[Message]:
    """Messages of one TypeScript file."""
    source = path.read_text(encoding="utf-8")
    file = path.relative_to(ROOT).as_posix()
    for match in TS_TOKEN.finditer(source):
        token = match.group()
        before = source[source.rfind("\n", 0, match.start()) + 1 : match.start()]
        if (
            token[0] in "`'\""
            and not re.match(r"\s*(import|export .* from)", before)
            and (is_prose(token[1:-1]) or LABEL.fullmatch(token[1:-1]))
        ):
            kind = (re.findall(r"[A-Za-z]+", before) or [""])[-1]
            yield Message(
                file, source.count("\n", 0, match.start()) + 1, kind, token[1:-1].replace("\n", "⏎")
            )


def of_schema(path: Path) -> Iterator[Message]:
    """Titles and descriptions of the settings that JupyterLab shows."""

    def walk(value: object, key: str) -> Iterator[Message]:
        if isinstance(value, dict):
            for name, inner in value.items():
                yield from walk(inner, name)
        elif isinstance(value, list):
            for inner in value:
                yield from walk(inner, key)
        elif isinstance(value, str) and key in {"title", "description", "label", "caption"}:
            yield Message(path.relative_to(ROOT).as_posix(), 1, key, value)

    yield from walk(json.loads(path.read_text(encoding="utf-8")), "")


def of_docs(path: Path) -> Iterator[Message]:
    """Docstrings and comments of one Python file."""
    source = path.read_text(encoding="utf-8")
    file = path.relative_to(ROOT).as_posix()
    tree = ast.parse(source)
    texts = docstrings(tree)
    for node in ast.walk(tree):
        if id(node) in texts and isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield Message(file, node.lineno, "docstring", " ".join(node.value.split()))
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield Message(file, token.start[0], "comment", token.string[1:].strip())


def of_page(path: Path) -> Iterator[Message]:
    """Paragraphs of a Markdown file, or of a notebook's prose and questions."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        text = "\n\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])
    file = path.relative_to(ROOT).as_posix()
    for match in re.finditer(r"(?:.+\n?)+", text):
        yield Message(file, text.count("\n", 0, match.start()) + 1, "page", " ".join(match[0].split()))


def pages() -> list[Message]:
    """What a reader of the repository sees first."""
    paths = [*ROOT.glob("*.md"), *ROOT.glob(".github/*.md"), *ROOT.glob("notebooks/*.ipynb")]
    return [message for path in sorted(paths) for message in of_page(path)]


def docs() -> list[Message]:
    """Docstrings and comments of the package, in order."""
    files = sorted((ROOT / "claude_jupyter").rglob("*.py"))
    return [message for path in files for message in sorted(of_docs(path), key=lambda m: m.line)]


def messages(everything: bool = False) -> list[Message]:
    """All messages, sorted by file and line."""
    result: list[Message] = []
    for path in sorted((ROOT / "claude_jupyter").rglob("*.py")):
        result += of_python(path)
    for path in sorted((ROOT / "labextension" / "src").rglob("*.ts")):
        result += of_typescript(path)
    for path in sorted((ROOT / "labextension" / "schema").rglob("*.json")):
        result += of_schema(path)
    return [m for m in result if everything or m.kind == "raise" or not m.file.startswith(FOR_CLAUDE)]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--all", action="store_true", help="also what Claude reads")
    parser.add_argument("--sample", type=int, default=0, metavar="N", help="N of them, drawn at random")
    parser.add_argument("--pages", action="store_true", help="README, notebooks and the like instead")
    parser.add_argument("--docs", action="store_true", help="docstrings and comments instead")
    chosen = parser.parse_args(arguments)
    listed = pages() if chosen.pages else docs() if chosen.docs else messages(chosen.all)
    for message in random.sample(listed, chosen.sample) if chosen.sample else listed:
        print(message)
    return 0


if __name__ == "__main__":
    sys.exit(main())

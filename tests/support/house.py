"""What the code looks like in numbers: `python tests/support/house.py`; with `--check` only what must not be, for the lint part."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "claude_jupyter"
FILES_IN_A_FOLDER = 12
TOP_LEVEL = 20
"""Files beside the folders: entry points and what every layer uses."""
LINES_OF_A_FUNCTION = 50
COMPLEXITY = 15
"""From here on a function is listed; above `TANGLED` it has to be taken apart."""
TANGLED = 20
BRANCHES = (
    ast.If, ast.IfExp, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.With, ast.AsyncWith, ast.Assert, ast.match_case,
    ast.comprehension,
)  # fmt: skip


@dataclass(frozen=True)
class Function:
    """One function; complexity is McCabe's, with a branch more for each `and`, `or`, `with`, `assert` and comprehension."""

    name: str
    lines: int
    complexity: int


@dataclass(frozen=True)
class Module:
    """One file of the package."""

    path: Path
    name: str
    tree: ast.Module
    lines: int

    def imports(self, modules: Mapping[str, Module]) -> set[str]:
        """Modules of the package that it imports, wherever the import stands."""
        names: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                names.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    names.add(inner if inner in modules else node.module)
            elif isinstance(node, ast.Constant) and isinstance(node.value, str) and "." in node.value:
                names.add(node.value)  # import_module("…")
        return (names & set(modules)) - {self.name}

    def functions(self) -> Iterator[Function]:
        """Every function and method in it."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                lines = (node.end_lineno or node.lineno) - node.lineno + 1
                yield Function(f"{self.name}.{node.name}", lines, complexity(node))

    @property
    def anys(self) -> int:
        """How often it says `Any`."""
        return sum(isinstance(node, ast.Name) and node.id == "Any" for node in ast.walk(self.tree))


def complexity(function: ast.AST) -> int:
    """Ways through a function; those of functions within it are theirs."""
    ways = 1
    rest = list(ast.iter_child_nodes(function))
    while rest:
        node = rest.pop()
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        ways += len(node.values) - 1 if isinstance(node, ast.BoolOp) else isinstance(node, BRANCHES)
        rest.extend(ast.iter_child_nodes(node))
    return ways


def modules() -> dict[str, Module]:
    """The package's modules by name."""
    result: dict[str, Module] = {}
    for path in sorted((ROOT / PACKAGE).rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text(encoding="utf-8")
        result[name] = Module(path, name, ast.parse(text), text.count("\n"))
    return result


def cycles(graph: Mapping[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other, directly or through others (Tarjan's strongly connected components)."""
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(name: str) -> None:
        index[name] = low[name] = len(index)
        stack.append(name)
        for other in sorted(graph[name]):
            if other not in index:
                visit(other)
                low[name] = min(low[name], low[other])
            elif other in stack:
                low[name] = min(low[name], index[other])
        if low[name] == index[name]:
            group = stack[stack.index(name) :]
            del stack[stack.index(name) :]
            if len(group) > 1:
                groups.append(sorted(group))

    for name in sorted(graph):
        if name not in index:
            visit(name)
    return sorted(groups)


def folders(modules: Mapping[str, Module]) -> dict[str, list[Module]]:
    """Modules by the folder that they stand in."""
    by_folder: dict[str, list[Module]] = defaultdict(list)
    for module in modules.values():
        by_folder[module.path.parent.relative_to(ROOT).as_posix()].append(module)
    return dict(sorted(by_folder.items()))


def names_twice(modules: Mapping[str, Module]) -> dict[str, list[str]]:
    """File names that stand in more than one folder."""
    by_name: dict[str, list[str]] = defaultdict(list)
    for module in modules.values():
        by_name[module.path.name].append(module.path.parent.relative_to(ROOT).as_posix())
    return {
        name: places
        for name, places in sorted(by_name.items())
        if len(places) > 1 and not name.startswith("__")
    }


def problems() -> Iterator[str]:
    """One line for each thing that must not be."""
    everything = modules()
    for name, places in names_twice(everything).items():
        yield f"{name} stands in {' and in '.join(places)}: two things, one name"
    for function in (function for module in everything.values() for function in module.functions()):
        if function.complexity > TANGLED:
            yield f"{function.name}: complexity {function.complexity}, at most {TANGLED}"
    for group in cycles({name: module.imports(everything) for name, module in everything.items()}):
        yield f"import cycle: {', '.join(group)}"
    for folder, inside in folders(everything).items():
        count = sum(module.path.name != "__init__.py" for module in inside)
        most = TOP_LEVEL if folder == PACKAGE else FILES_IN_A_FOLDER
        if count > most:
            yield f"{folder}: {count} files, at most {most}"


def report() -> Iterator[str]:
    """The figures, a line each."""
    everything = modules()
    for folder, inside in folders(everything).items():
        yield f"{folder:42} {len(inside):3} files {sum(m.lines for m in inside):6,} lines"
    longest = max(everything.values(), key=lambda module: module.lines)
    lengths = [module.lines for module in everything.values() if module.path.name != "__init__.py"]
    yield f"files: {len(everything)}, {sum(m.lines for m in everything.values()):,} lines"
    yield f"longest file: {longest.name} {longest.lines}; median {median(lengths):.0f}"
    groups = cycles({name: module.imports(everything) for name, module in everything.items()})
    yield f"import cycles, deferred and TYPE_CHECKING imports included: {len(groups)}"
    yield from (f"  {', '.join(group)}" for group in groups)
    twice = names_twice(everything)
    yield f"file names that stand in two folders: {len(twice)}"
    yield from (f"  {name}: {', '.join(places)}" for name, places in twice.items())
    functions = [function for module in everything.values() for function in module.functions()]
    long = [f for f in functions if f.lines > LINES_OF_A_FUNCTION]
    tangled = [f for f in functions if f.complexity > COMPLEXITY]
    yield f"functions: {len(functions)}, median {median(f.lines for f in functions):.0f} lines"
    yield f"over {LINES_OF_A_FUNCTION} lines: {len(long)}"
    yield from (f"  {f.name} {f.lines}" for f in sorted(long, key=lambda f: -f.lines))
    yield f"over complexity {COMPLEXITY}: {len(tangled)}"
    yield from (f"  {f.name} {f.complexity}" for f in sorted(tangled, key=lambda f: -f.complexity))
    yield f"Any: {sum(module.anys for module in everything.values())}"


def figures_at(commit: str) -> Iterator[str]:
    """The figures of another commit, from a worktree that is taken away again."""
    place = ROOT / ".house-at"
    subprocess.run(["git", "worktree", "add", "-q", "--detach", str(place), commit], cwd=ROOT, check=True)
    try:
        globals()["ROOT"] = place
        yield from report()
    finally:
        globals()["ROOT"] = place.parent
        subprocess.run(["git", "worktree", "remove", "--force", str(place)], cwd=ROOT, check=True)


if __name__ == "__main__":
    if "--check" in sys.argv:
        wrong = list(problems())
        print(
            "\n".join(wrong)
            or "house: no import cycle, no name in two packages, no tangled function, no crowded folder"
        )
        sys.exit(1 if wrong else 0)
    at = [word for word in sys.argv[1:] if not word.startswith("-")]
    print("\n".join(figures_at(at[0]) if at else report()))

"""What a cell's code would do, determined from the code and the values it names. Nothing is run, imported or called.

An abstract run over the syntax tree: each expression becomes a `Value` that knows which of the user's variables it may share
data with. Functions of the user's are followed into their source. What is not known to be harmless is reported, so a wrong
guess asks a person; this is a courtesy to somebody who reads along, not a sandbox.
"""

from __future__ import annotations

import ast
import builtins
import re
import types
from collections.abc import Generator, Iterable, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

from claude_jupyter.kernel.effects import call_tables
from claude_jupyter.kernel.effects.patterns import CELL_MAGICS, LINE_MAGICS, PLOTTING, Kind
from claude_jupyter.kernel.effects.syntax import (
    as_python,
    changes_first,
    copies_on_write,
    definition,
    is_container,
    is_figure,
    is_mask,
    is_plain_query,
    is_shell,
    names_target,
    phrase,
)
from claude_jupyter.kernel.effects.values import FRESH, UNKNOWN, Function, Value, joined

_DEEPEST = 12
_LARGEST = 60_000
"""Syntax nodes that are looked at before the rest counts as hidden."""
_LONGEST = 500_000
"""Characters beyond which a cell is not parsed; proposals are far shorter, but a user may edit them."""
_TOO_LONG = "too long to be checked"

_PLOT = "a plot"
_CODE_MAGICS = ("time", "timeit", "prun", "capture")
_INSTALLS = re.compile(r"\s*(?:\S*/)?(?:python\S* -m )?(?:pip3?|uv|conda|mamba|apt|apt-get|npm)\b")


@dataclass
class Analysis:
    """One abstract run over a cell.

    Parameters
    ----------
    namespace
        The user's variables.
    """

    namespace: Mapping[str, Any]
    effects: dict[str, dict[str, None]] = field(default_factory=dict[str, dict[str, None]])
    scopes: list[dict[str, Value]] = field(default_factory=lambda: [{}])
    depth: int = 0
    nodes: int = 0
    uncertain: int = 0

    # -- findings -------------------------------------------------------------------------------------------------------

    def note(self, kind: str, what: str) -> None:
        """Record one effect."""
        self.effects.setdefault(kind, {})[what] = None

    def change(self, value: Value, what: str) -> None:
        """Record that a value is changed in place; one that the cell made itself concerns nobody."""
        for name in sorted(value.own):
            self.note("changes", name)
            self.note("in_place", name)
        if value.dotted is not None and not value.own:
            self.note("changes", value.dotted)

    def source(self, text: str) -> None:
        """Look at a cell's source; IPython's own reading says what of it is a magic or a shell line."""
        if len(text) > _LONGEST:
            self.note("hidden", _TOO_LONG)
            return
        try:
            code = as_python(text)
            compile(code, "<cell>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
            self.run(ast.parse(code).body)
        except (SyntaxError, ValueError, MemoryError):
            self.note("hidden", "not Python")
        except RecursionError:
            self.note("hidden", "nested too deeply to be checked")

    def run(self, body: Sequence[ast.stmt]) -> Value:
        """Look at statements in order; the value of a `return` among them."""
        result = FRESH
        for statement in body:
            self.nodes += 1
            if self.nodes > _LARGEST:
                self.note("hidden", _TOO_LONG)
                return result
            result |= self.statement(statement)
        return result

    # -- statements -----------------------------------------------------------------------------------------------------

    def statement(self, node: ast.stmt) -> Value:
        """Look at one statement."""
        handler = getattr(self, f"on_{type(node).__name__.lower()}", None)
        if handler is not None:
            return handler(node) or FRESH
        for child in ast.iter_child_nodes(node):  # assert, raise, pass and the like
            if isinstance(child, ast.expr):
                self.value(child)
        return FRESH

    def on_expr(self, node: ast.Expr) -> None:
        self.printed(self.value(node.value))

    def on_return(self, node: ast.Return) -> Value:
        return self.value(node.value) if node.value is not None else FRESH

    def on_assign(self, node: ast.Assign) -> None:
        value = self.value(node.value)
        for target in node.targets:
            self.bind(target, value)

    def on_annassign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self.bind(node.target, self.value(node.value))

    def on_augassign(self, node: ast.AugAssign) -> None:
        value = self.value(node.value)
        if isinstance(node.target, ast.Name):
            before = self.look_up(node.target.id)
            if before.obj is UNKNOWN or not call_tables.is_immutable(before.obj):
                self.change(before, node.target.id)
            self.bind(node.target, Value(before.own, before.inner | value.reach))
        else:
            self.bind(node.target, value)

    def on_delete(self, node: ast.Delete) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                if len(self.scopes) == 1 and target.id in self.namespace:
                    self.note("changes", target.id)
                self.scopes[-1].pop(target.id, None)
            else:
                self.bind(target, FRESH)

    def on_functiondef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for default in [*node.args.defaults, *filter(None, node.args.kw_defaults)]:
            self.value(default)
        value = Value(function=node)
        for decorator in node.decorator_list:
            self.decorate(decorator, value)
        self.bind_name(node.name, value)

    on_asyncfunctiondef = on_functiondef

    def on_classdef(self, node: ast.ClassDef) -> None:
        for base in [*node.bases, *(k.value for k in node.keywords)]:
            base_value = self.value(base)
            if base_value.cls is None and (
                base_value.dotted is None
                or call_tables.function_kind(base_value.dotted) not in ("pure", "view")
            ):
                self.note("hidden", f"class {node.name}")
        for decorator in node.decorator_list:
            self.decorate(decorator, Value(cls=node))
        with self.scope({}):
            self.run([s for s in node.body if not isinstance(s, ast.FunctionDef | ast.AsyncFunctionDef)])
        self.bind_name(node.name, Value(cls=node))
        for method in node.body:
            if isinstance(method, ast.FunctionDef) and (
                method.name.startswith("__") or method.decorator_list
            ):
                self.follow(method, {}, fallback=frozenset())

    def on_for(self, node: ast.For | ast.AsyncFor) -> Value:
        items = self.iterated(self.value(node.iter))
        result = FRESH
        with self.maybe():
            for _ in range(2):  # what the end of the body binds, its beginning sees
                self.bind(node.target, items)
                result |= self.run(node.body)
            return result | self.run(node.orelse)

    on_asyncfor = on_for

    def on_while(self, node: ast.While) -> Value:
        result = FRESH
        with self.maybe():
            for _ in range(2):
                self.value(node.test)
                result |= self.run(node.body)
            return result | self.run(node.orelse)

    def on_if(self, node: ast.If) -> Value:
        self.value(node.test)
        with self.maybe():
            return self.run(node.body) | self.run(node.orelse)

    def on_with(self, node: ast.With | ast.AsyncWith) -> Value:
        for item in node.items:
            value = self.value(item.context_expr)
            if item.optional_vars is not None:
                self.bind(item.optional_vars, value)
        return self.run(node.body)

    on_asyncwith = on_with

    def on_try(self, node: ast.Try | ast.TryStar) -> Value:
        with self.maybe():
            result = self.run(node.body)
            for handler in node.handlers:
                if handler.name:
                    self.bind_name(handler.name, FRESH, local=True)
                result |= self.run(handler.body)
            return result | self.run(node.orelse) | self.run(node.finalbody)

    on_trystar = on_try

    def on_match(self, node: ast.Match) -> Value:
        subject = self.value(node.subject)
        result = FRESH
        with self.maybe():
            for case in node.cases:
                for pattern in ast.walk(case.pattern):
                    name = getattr(pattern, "name", None) or getattr(pattern, "rest", None)
                    if isinstance(name, str):
                        self.bind_name(name, Value(subject.reach, subject.reach))
                if case.guard is not None:
                    self.value(case.guard)
                result |= self.run(case.body)
        return result

    def on_import(self, node: ast.Import) -> None:
        for alias in node.names:
            self.imported(alias.name)
            name = alias.name if alias.asname else alias.name.partition(".")[0]
            self.bind_name(alias.asname or name, Value(dotted=name), is_import=True)

    def on_importfrom(self, node: ast.ImportFrom) -> None:
        self.imported(node.module or ".")
        for alias in node.names:
            if alias.name == "*":
                self.note("hidden", f"from {node.module} import *")
                continue
            self.bind_name(
                alias.asname or alias.name, Value(dotted=f"{node.module}.{alias.name}"), is_import=True
            )

    def imported(self, module: str) -> None:
        """Look at an import: a module that is not known may do anything when it is loaded."""
        if not call_tables.is_library(module):
            self.note("hidden", f"import {module}")

    # -- names ----------------------------------------------------------------------------------------------------------

    @contextmanager
    def scope(self, names: dict[str, Value]) -> Generator[None]:
        self.scopes.append(names)
        try:
            yield
        finally:
            self.scopes.pop()

    @contextmanager
    def maybe(self) -> Generator[None]:
        """Code that may not run, or run again: what it binds adds to what was bound before."""
        self.uncertain += 1
        try:
            yield
        finally:
            self.uncertain -= 1

    def bind(self, target: ast.expr, value: Value) -> None:
        """Assign a value to a target."""
        if isinstance(target, ast.Name):
            self.bind_name(target.id, value)
        elif isinstance(target, ast.Tuple | ast.List):
            for part in target.elts:
                self.bind(part, Value(value.reach, value.reach))
        elif isinstance(target, ast.Starred):
            self.bind(target.value, Value(inner=value.reach))
        elif isinstance(target, ast.Attribute | ast.Subscript):
            holder = self.value(target.value)
            if isinstance(target, ast.Subscript):
                self.value(target.slice)
            elif target.attr.startswith("__"):
                self.note("hidden", f".{target.attr}")
            self.change(holder, ast.unparse(target))
            self.put_into(target.value, value)

    def bind_name(self, name: str, value: Value, *, is_import: bool = False, local: bool = False) -> None:
        scope = self.scopes[-1]
        if len(self.scopes) == 1 and not local and name not in scope:
            same_module = is_import and call_tables.is_a(self.namespace.get(name), types.ModuleType)
            if name in self.namespace and not same_module:
                self.note("changes", name)
            elif hasattr(builtins, name) and name not in self.namespace and not name.startswith("_"):
                self.note("changes", f"{name} (built-in)")
            elif not is_import:
                self.note("adds", name)
        scope[name] = value | scope[name] if self.uncertain and name in scope else value

    def put_into(self, holder: ast.expr, value: Value) -> None:
        """What is stored in something that a name of this cell holds can be reached through that name."""
        while isinstance(holder, ast.Attribute | ast.Subscript | ast.Call):
            holder = holder.func if isinstance(holder, ast.Call) else holder.value
        if isinstance(holder, ast.Name):
            for scope in reversed(self.scopes):
                if holder.id in scope:
                    old = scope[holder.id]
                    scope[holder.id] = replace(old, inner=old.inner | value.reach)
                    return

    def look_up(self, name: str) -> Value:
        """The value of a name: of this cell, of the user's variables, or built in."""
        for scope in reversed(self.scopes):
            if name in scope:
                return scope[name]
        if name in self.namespace:
            return self.existing(name, self.namespace[name])
        if hasattr(builtins, name):
            return Value(dotted=f"builtins.{name}", obj=getattr(builtins, name))
        return Value(
            frozenset({name}), frozenset({name})
        )  # defined by nobody yet: a NameError, or by a hidden effect

    def existing(self, name: str, value: Any) -> Value:
        if call_tables.is_a(value, types.ModuleType):
            return Value(dotted=call_tables.dotted_name(value), obj=value)
        if call_tables.is_a(value, types.FunctionType, types.BuiltinFunctionType, type):
            return Value(frozenset({name}), dotted=call_tables.dotted_name(value), obj=value)
        self.note("reads", name)
        if call_tables.is_immutable(value):
            return Value(obj=value)
        return Value(frozenset({name}), frozenset({name}), obj=value, cow=copies_on_write(value))

    # -- expressions ----------------------------------------------------------------------------------------------------

    def value(self, node: ast.expr | None) -> Value:
        """Look at an expression."""
        if node is None:
            return FRESH
        self.nodes += 1
        handler = getattr(self, f"of_{type(node).__name__.lower()}", None)
        if handler is not None:
            return handler(node)
        parts = [self.value(child) for child in ast.iter_child_nodes(node) if isinstance(child, ast.expr)]
        for part in parts:
            self.operand(part)
        reach = frozenset[str]().union(*(p.reach for p in parts))
        if isinstance(node, ast.Compare | ast.UnaryOp | ast.JoinedStr | ast.FormattedValue | ast.Constant):
            return FRESH
        return Value(inner=reach)  # displays, arithmetic of containers

    def of_name(self, node: ast.Name) -> Value:
        return self.look_up(node.id)

    def of_constant(self, node: ast.Constant) -> Value:
        return Value(obj=node.value)

    def of_boolop(self, node: ast.BoolOp) -> Value:
        return joined(self.value(part) for part in node.values)

    def of_ifexp(self, node: ast.IfExp) -> Value:
        self.value(node.test)
        return self.value(node.body) | self.value(node.orelse)

    def of_namedexpr(self, node: ast.NamedExpr) -> Value:
        value = self.value(node.value)
        self.bind(node.target, value)
        return value

    def of_starred(self, node: ast.Starred) -> Value:
        return self.iterated(self.value(node.value))

    def of_await(self, node: ast.Await) -> Value:
        return self.value(node.value)

    def of_yield(self, node: ast.Yield) -> Value:
        return self.value(node.value)

    def of_yieldfrom(self, node: ast.YieldFrom) -> Value:
        return self.value(node.value)

    def of_lambda(self, node: ast.Lambda) -> Value:
        return Value(function=node)

    def of_slice(self, node: ast.Slice) -> Value:
        for part in (node.lower, node.upper, node.step):
            self.value(part)
        return FRESH

    def of_attribute(self, node: ast.Attribute) -> Value:
        owner = self.value(node.value)
        if node.attr.startswith("__") and node.attr not in ("__name__", "__doc__", "__version__"):
            self.note("hidden", f".{node.attr}")
        if owner.dotted is not None:
            attribute = (
                vars(owner.obj).get(node.attr, UNKNOWN)
                if call_tables.is_a(owner.obj, types.ModuleType)
                else UNKNOWN
            )
            own = owner.own if owner.obj is UNKNOWN else frozenset[str]()
            return Value(own, dotted=f"{owner.dotted}.{node.attr}", obj=attribute)
        if owner.obj is not UNKNOWN and call_tables.runs_code_when_read(owner.obj, node.attr):
            self.note("hidden", f"{ast.unparse(node)} runs code of {type(owner.obj).__name__}")
        cow = owner.cow and node.attr in ("loc", "iloc", "T", "at", "iat")
        return Value(owner.reach, owner.reach, cow=cow, bound=node.attr)

    def of_subscript(self, node: ast.Subscript) -> Value:
        owner = self.value(node.value)
        self.value(node.slice)
        self.operand(owner)
        if owner.cow or is_mask(node.slice):
            return Value(inner=owner.reach, cow=owner.cow)
        return Value(owner.reach, owner.reach)

    def of_listcomp(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp) -> Value:
        with self.comprehension(node.generators):
            return Value(inner=self.value(node.elt).reach)

    of_setcomp = of_generatorexp = of_listcomp

    def of_dictcomp(self, node: ast.DictComp) -> Value:
        with self.comprehension(node.generators):
            return Value(inner=self.value(node.key).reach | self.value(node.value).reach)

    @contextmanager
    def comprehension(self, generators: Sequence[ast.comprehension]) -> Generator[None]:
        with self.scope({}):
            for generator in generators:
                self.bind(generator.target, self.iterated(self.value(generator.iter)))
                for condition in generator.ifs:
                    self.value(condition)
            yield

    def operand(self, value: Value) -> None:
        """A value is in an expression: its class's operators may run."""
        if (
            value.obj is not UNKNOWN
            and not call_tables.is_plain(value.obj)
            and call_tables.runs_code_when_read(value.obj)
        ):
            self.note("hidden", f"operators of {type(value.obj).__name__}")

    def iterated(self, value: Value) -> Value:
        """The items of a value; an iterator is used up by it."""
        if value.obj is not UNKNOWN and call_tables.is_iterator(value.obj):
            self.change(value, "")
        self.operand(value)
        return Value(value.reach, value.reach)

    def printed(self, value: Value) -> None:
        """A value is shown: a class's own `__repr__` runs."""
        if value.obj is UNKNOWN or call_tables.is_plain(value.obj):
            return
        for klass in call_tables.own_classes(value.obj):
            for name in ("__repr__", "__str__", "_repr_html_", "_repr_mimebundle_", "_ipython_display_"):
                method: Any = vars(klass).get(name)
                if call_tables.is_a(method, types.FunctionType) and method.__code__.co_filename != "<string>":
                    self.follow_known(method, [value], name)

    # -- calls ----------------------------------------------------------------------------------------------------------

    def of_call(self, node: ast.Call) -> Value:
        if isinstance(node.func, ast.Attribute):
            if is_shell(node.func.value):
                return self.magic(node, node.func.attr)
            owner = self.value(node.func.value)
            if owner.dotted is None:
                return self.method(node, node.func.attr, owner)
        function = self.value(node.func)
        arguments = self.arguments(node)
        return self.call(function, arguments, node)

    def magic(self, node: ast.Call, method: str) -> Value:
        """A magic or a shell line, as IPython writes it: `get_ipython().run_line_magic("time", "…")`."""
        words = [a.value for a in node.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
        words += [""] * (3 - len(words))
        if method in ("system", "getoutput"):
            self.note("installs" if _INSTALLS.match(words[0]) else "shell", words[0].strip()[:80])
        elif method in ("run_line_magic", "run_cell_magic") and len(words) >= len(node.args):
            table = LINE_MAGICS if method == "run_line_magic" else CELL_MAGICS
            name, line, body = words[:3]
            kind = table.get(name, "hidden")
            if kind == "pure":
                if name in _CODE_MAGICS:
                    self.source(body if method == "run_cell_magic" else line.lstrip())
            else:
                sign = "%" if method == "run_line_magic" else "%%"
                self.note(kind, f"{sign}{name} {line}".strip()[:80])
        else:
            self.note("hidden", f"get_ipython().{method}")
        return FRESH

    def arguments(self, node: ast.Call) -> list[Value]:
        return [self.value(a) for a in [*node.args, *(k.value for k in node.keywords)]]

    def call(self, function: Value, arguments: list[Value], node: ast.Call) -> Value:
        """A call of something that is not a method."""
        label = ast.unparse(node.func)
        if function.function is not None:
            return self.follow(
                function.function, self.parameters(function.function, arguments, node), label=label
            )
        if function.cls is not None:
            return self.instance(function.cls, arguments, node)
        kind = call_tables.function_kind(function.dotted) if function.dotted is not None else None
        if function.dotted is not None and call_tables.draws(function.dotted):
            self.note("adds", _PLOT)
        if kind is None and call_tables.is_a(function.obj, types.FunctionType):
            return self.follow_known(function.obj, arguments, label)
        if kind is None:
            self.note("hidden", f"calls {label}")
            return joined(arguments)
        if function.dotted in ("builtins.print", "builtins.str", "builtins.repr", "builtins.format"):
            for argument in arguments:
                self.printed(argument)
        self.callbacks(
            arguments, arguments, skip=function.dotted in ("builtins.isinstance", "builtins.issubclass")
        )
        for argument in arguments:
            if (
                kind in ("view", "pure")
                and argument.obj is not UNKNOWN
                and call_tables.is_iterator(argument.obj)
            ):
                self.change(argument, label)
        return self.effect(kind, function.dotted or label, arguments, node)

    def effect(self, kind: Kind, label: str, arguments: list[Value], node: ast.Call) -> Value:
        """What a listed function does."""
        for keyword in node.keywords:
            if keyword.arg == "out":
                self.change(self.value(keyword.value), label)
        if kind == "pure":
            return Value(is_path=label.startswith("pathlib."))
        if kind == "view":
            return Value(
                joined(arguments).reach if not is_container(label) else frozenset(),
                joined(arguments).reach,
            )
        if kind == "changes":
            self.change(Value(joined(arguments).own), label)
            if not arguments or not changes_first(label):
                self.note("changes", label)
            return joined(arguments)
        kind, words = phrase(kind, label, node)
        through = words == label and label.startswith(("json.", "pickle.", "csv."))  # a file that is open
        if not (through and "files" in self.effects):
            self.note(kind, words)
        return joined(arguments)

    def method(self, node: ast.Call, name: str, owner: Value) -> Value:
        """A call of a method on a value."""
        arguments = self.arguments(node)
        if owner.cls is not None:
            function = next(
                (m for m in owner.cls.body if isinstance(m, ast.FunctionDef) and m.name == name), None
            )
            if function is not None:
                parameters = self.parameters(function, [owner, *arguments], node)
                return self.follow(function, parameters, label=name)
        if owner.obj is not UNKNOWN and not call_tables.is_plain(owner.obj):
            return self.own_method(node, name, owner, arguments)
        self.callbacks(arguments, [owner, *arguments])
        kind = method_kind(node, name, owner)
        of_plot = isinstance(node.func, ast.Attribute) and getattr(node.func.value, "attr", "") == "plot"
        if kind == "pure" and (name == "plot" or (of_plot and name in PLOTTING)):  # df.plot(), df.plot.bar()
            self.note("adds", _PLOT)
        return self.method_effect(kind, node, name, owner, arguments)

    def method_effect(
        self, kind: Kind | None, node: ast.Call, name: str, owner: Value, arguments: list[Value]
    ) -> Value:
        if kind is None:
            self.note("hidden", f"calls {ast.unparse(node.func)}")
            return owner | joined(arguments)
        if kind == "pure":
            return FRESH
        if kind == "view":
            return Value(frozenset() if owner.cow else owner.reach, owner.reach, cow=owner.cow)
        if kind == "changes":
            self.change(owner, name)
            self.put_into(node.func, joined(arguments))
            return Value(owner.own, owner.inner | joined(arguments).reach)
        kind, words = phrase(kind, name, node)
        if (
            kind != "files" or words != name or "files" not in self.effects
        ):  # else it is of a file that is named already
            self.note(kind, words)
        return FRESH

    def own_method(self, node: ast.Call, name: str, owner: Value, arguments: list[Value]) -> Value:
        """A method of a class that no known library defines: followed into its source."""
        for klass in call_tables.own_classes(owner.obj):
            method: Any = vars(klass).get(name)
            if call_tables.is_a(method, types.FunctionType):
                return self.follow_known(method, [owner, *arguments], name)
        self.note("hidden", f"calls {ast.unparse(node.func)}")
        return owner | joined(arguments)

    def callbacks(
        self, arguments: Iterable[Value], receivers: Sequence[Value], *, skip: bool = False
    ) -> None:
        """Functions among the arguments are taken to be called with anything that the call can reach."""
        reach = joined(receivers).reach
        for argument in arguments:
            if argument.function is not None:
                self.follow(argument.function, {}, fallback=reach)
            elif skip:
                continue
            elif call_tables.is_a(argument.obj, types.FunctionType) and not _listed(argument):
                self.follow_known(argument.obj, [Value(reach, reach)] * 3, argument.obj.__name__)
            elif argument.bound:
                self.bound_method(argument)
            elif argument.dotted is not None:
                kind = call_tables.function_kind(argument.dotted)
                if kind not in ("pure", "view"):
                    self.note(kind or "hidden", argument.dotted)

    def bound_method(self, value: Value) -> None:
        """A method that is handed on will be called."""
        kind = call_tables.method_kind(value.bound)
        if kind == "changes":
            self.change(value, value.bound)
        elif kind not in (None, "pure", "view"):
            self.note(kind or "hidden", value.bound)

    def decorate(self, decorator: ast.expr, value: Value) -> None:
        decorated_by = self.value(decorator.func if isinstance(decorator, ast.Call) else decorator)
        if isinstance(decorator, ast.Call):
            self.arguments(decorator)
        if decorated_by.function is not None:
            self.follow(decorated_by.function, {}, fallback=frozenset())
        elif decorated_by.dotted is None or call_tables.function_kind(decorated_by.dotted) not in (
            "pure",
            "view",
        ):
            self.note("hidden", f"@{ast.unparse(decorator)}")

    def instance(self, cls: ast.ClassDef, arguments: list[Value], node: ast.Call) -> Value:
        created = Value(inner=joined(arguments).reach, cls=cls)
        for method in cls.body:
            if isinstance(method, ast.FunctionDef) and method.name in (
                "__init__",
                "__post_init__",
                "__new__",
            ):
                self.follow(method, self.parameters(method, [created, *arguments], node), label=cls.name)
        return created

    def parameters(self, function: Function, arguments: list[Value], node: ast.Call) -> dict[str, Value]:
        """The function's parameters by name; what does not fit plainly may be any argument."""
        names = [a.arg for a in [*function.args.posonlyargs, *function.args.args]]
        everything = joined(arguments)
        plain = not any(isinstance(a, ast.Starred) for a in node.args) and all(k.arg for k in node.keywords)
        if not plain:
            return dict.fromkeys(names, everything)
        keywords = len(node.keywords)
        positional = arguments[: len(arguments) - keywords] if keywords else arguments
        parameters = dict(zip(names, positional, strict=False))
        for keyword, value in zip(node.keywords, arguments[len(arguments) - keywords :], strict=False):
            parameters[str(keyword.arg)] = value
        return parameters

    def follow(
        self,
        function: Function,
        parameters: dict[str, Value],
        *,
        fallback: frozenset[str] = frozenset(),
        label: str = "",
    ) -> Value:
        """Look at a function's body as it would run with these arguments."""
        if self.depth >= _DEEPEST:
            if not isinstance(function, ast.Lambda) and label:
                return Value(fallback, fallback)
            return FRESH
        every = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
        every += [a for a in (function.args.vararg, function.args.kwarg) if a is not None]
        rest = Value(fallback, fallback | joined(parameters.values()).reach)
        names = {a.arg: parameters.get(a.arg, rest) for a in every}
        self.depth += 1
        try:
            with self.scope(names):
                if isinstance(function, ast.Lambda):
                    return self.value(function.body)
                self.outer_names(function)
                return self.run(function.body)
        finally:
            self.depth -= 1

    def outer_names(self, function: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Names that a function declares `global` or `nonlocal` are changed outside of it."""
        for node in ast.walk(function):
            if isinstance(node, ast.Global):
                for name in node.names:
                    self.note("changes" if name in self.namespace else "adds", name)

    def follow_known(self, function: types.FunctionType, arguments: list[Value], label: str) -> Value:
        """Look into a user's function by its source."""
        source = definition(function)
        if source is None:
            self.note("hidden", f"calls {label}")
            return joined(arguments)
        names = [a.arg for a in [*source.args.posonlyargs, *source.args.args]]
        parameters = dict(zip(names, arguments, strict=False))
        reach = joined(arguments).reach
        closure = {
            name: Value(frozenset({name}), frozenset({name})) for name in function.__code__.co_freevars
        }
        outside = Analysis(function.__globals__, self.effects, [{}, closure], self.depth + 1, self.nodes)
        if outside.depth >= _DEEPEST:
            self.note("hidden", f"calls {label}")
            return joined(arguments)
        result = outside.follow(source, parameters, fallback=reach, label=label)
        self.nodes = outside.nodes
        return result


def _listed(value: Value) -> bool:
    return value.dotted is not None and call_tables.function_kind(value.dotted) is not None


def method_kind(node: ast.Call, name: str, owner: Value) -> Kind | None:
    """What a method of this name does, as the call is written."""
    kind = call_tables.method_kind(name)
    in_place = next((k.value for k in node.keywords if k.arg == "inplace"), None)
    if in_place is not None and not (isinstance(in_place, ast.Constant) and in_place.value is False):
        kind = "changes"
    elif name in PLOTTING and (kind in (None, "changes") or is_figure(owner.obj)):
        kind = "changes" if owner.own else "pure"
    if name in ("query", "eval"):
        kind = "pure" if is_plain_query(node) else "hidden"
    elif name in (
        "to_json",
        "to_csv",
        "to_html",
        "to_string",
        "to_markdown",
        "to_latex",
    ) and not names_target(node):
        kind = "pure"
    elif name in ("rename", "replace") and (owner.is_path or call_tables.is_a(owner.obj, PurePath)):
        kind = "files"
    return kind

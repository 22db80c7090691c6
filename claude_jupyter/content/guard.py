"""Calling other people's code while looking at their objects: never longer than two seconds, never a crash.

A `repr`, a property or an `_ai_repr_` may raise, hang or return nonsense. It runs in a thread of its own, because that is the one
way that also works outside the main thread, inside C code and on Windows; what hangs is asked to stop and left behind.
"""

from __future__ import annotations

import contextvars
import ctypes
import inspect
import sysconfig
import threading
import time
import types
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from claude_jupyter.errors import ClaudeError
from claude_jupyter.interrupts import SafeEvent, interruptible, started, surely

T = TypeVar("T")

SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Guarded(Generic[T]):
    """What a guarded call came to: a value, or in one clause why there is none."""

    value: T | None
    failure: str = ""
    reason: str = ""
    """The first line of the error's own words."""


class _Abandoned(BaseException):
    """Raised inside a call that took too long; a BaseException, so that `except Exception` does not keep it alive."""


class _Call(Generic[T]):
    def __init__(self, function: Callable[[], T]) -> None:
        self.function = function
        self.value: T | None = None
        self.error: BaseException | None = None
        self.reason = ""
        self.done = SafeEvent()

    def run(self) -> None:
        try:
            self.value = self.function()
        except BaseException as error:
            self.error = error
            self.reason = first_line(error)
        finally:
            self.done.set()


_spent: contextvars.ContextVar[list[float] | None] = contextvars.ContextVar("spent", default=None)
"""Seconds that each guarded call of this lookup took."""


@contextmanager
def together() -> Generator[None]:
    """What is guarded in here takes no longer in all than one call may: objects that hang are not waited for one by one."""
    token = _spent.set([])
    try:
        yield
    finally:
        _spent.reset(token)


def guarded(function: Callable[[], T], seconds: float = SECONDS) -> Guarded[T]:
    """Call `function`; what goes wrong becomes a clause (`raised ValueError`, `took longer than 2 s`).

    Raises
    ------
    ClaudeError
        If the function raised one: it is a clear word to the user already.
    KeyboardInterrupt
        When the user interrupts the wait.
    """
    spent = (
        _spent.get() if seconds <= SECONDS else None
    )  # what is known to take longer has a limit of its own
    remaining = seconds if spent is None else min(seconds, SECONDS - sum(spent))
    if remaining <= 0:
        return Guarded(None, f"was not called, because the {SECONDS:g} s were used up")
    call = _Call(function)
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(call.run,), daemon=True, name="claude-jupyter-guard")
    began = time.monotonic()
    started(thread)
    try:
        with interruptible():
            finished = call.done.wait(remaining)
    except BaseException:
        _abandon(thread)
        raise
    if spent is not None:
        spent.append(time.monotonic() - began)
    if not finished:
        _abandon(thread)
        return Guarded(None, f"took longer than {seconds:g} s")
    if isinstance(call.error, ClaudeError):
        raise call.error
    if call.error is not None:
        return Guarded(None, f"raised {type_name(type(call.error), short=True)}", call.reason)
    return Guarded(call.value)


def first_line(error: BaseException) -> str:
    """The first line of an error's words, at most 200 characters; its type where it has none."""
    try:
        words = str(error).strip().splitlines()
    except Exception:
        words = []
    return (words or [type_name(type(error), short=True)])[0][:200]


def all_reasons(error: BaseException) -> str:
    """Every reason an error gives, on one line, at most 600 characters; its type where it gives none."""
    try:
        lines = [" ".join(line.split()) for line in str(error).splitlines()]
    except Exception:
        lines = []
    reasons = [line.rstrip(".") for line in dict.fromkeys(lines) if line.strip("-=^~ ")]
    text = "; ".join(reasons) or type_name(type(error), short=True)
    return text if len(text) <= 600 else f"{text[:599]}…"


def attempted(function: Callable[[], T]) -> T | None:
    """The function's value; None if a library fails on the way (Polars' panics are no `Exception`; an interrupt stays one)."""
    try:
        return function()
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
            raise
        return None


def bounded(
    function: Callable[[], T], interrupt: Callable[[], object], seconds: float = SECONDS
) -> Guarded[T]:
    """`guarded` for objects bound to the thread that made them: called here, and ended by `interrupt` when the time is up."""
    late: list[bool] = []

    def end() -> None:
        late.append(True)
        interrupt()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    started(timer)
    try:
        return Guarded(function())
    except Exception as error:
        if late:
            return Guarded(None, f"took longer than {seconds:g} s")
        return Guarded(None, f"raised {type_name(type(error), short=True)}", first_line(error))
    finally:
        surely(timer.cancel)


def _abandon(thread: threading.Thread) -> None:
    if thread.ident is not None:
        ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread.ident), ctypes.py_object(_Abandoned))


def type_name(kind: type, *, short: bool = False) -> str:
    """The name of a type, read without running code of its metaclass."""
    name = str(type.__dict__["__name__"].__get__(kind))
    if short:
        return name
    module = root_module(kind, whole=True)
    return name if module in ("builtins", "__main__", "") else f"{module}.{name}"


def root_module(kind: type, *, whole: bool = False) -> str:
    """The library a type comes from (`pandas`), or its whole module name."""
    module: object = type.__dict__["__module__"].__get__(kind)
    if not isinstance(module, str):
        return ""
    return module if whole else module.partition(".")[0]


def mro(value: object) -> tuple[type, ...]:
    """The classes of a value, its own first, whatever its `__class__` pretends."""
    return type.__dict__["__mro__"].__get__(type(value))


def libraries(value: object) -> frozenset[str]:
    """The libraries that the classes of a value come from."""
    return frozenset(root_module(kind) for kind in mro(value))


def method(value: object, name: str) -> Callable[..., Any] | None:
    """A method the value really has, found without running `__getattr__` (a Mock or a proxy has every name)."""
    if issubclass(type(value), type):
        return None
    try:
        static = inspect.getattr_static(value, name)
    except Exception:
        return None
    if isinstance(static, types.FunctionType | classmethod | staticmethod):
        return getattr(value, name)
    attribute = guarded(lambda: getattr(value, name)).value  # a property: code of its own
    return attribute if callable(attribute) else None


def is_installed(filename: str) -> bool:
    """Whether source is of Python or an installed package, and not the user's own."""
    parts = filename.replace("\\", "/")
    stdlib = sysconfig.get_paths()["stdlib"].replace("\\", "/")
    packages = ("/site-packages/", "/dist-packages/")
    return (
        filename.startswith("<frozen") or parts.startswith(stdlib) or any(part in parts for part in packages)
    )

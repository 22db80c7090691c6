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
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

from claude_jupyter.errors import ClaudeError

T = TypeVar("T")

SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Outcome(Generic[T]):
    """What a guarded call came to: a value, or in one clause why there is none."""

    value: T | None
    failure: str = ""


class _Abandoned(BaseException):
    """Raised inside a call that took too long; a BaseException, so that `except Exception` does not keep it alive."""


class _Call(Generic[T]):
    def __init__(self, function: Callable[[], T]) -> None:
        self.function = function
        self.value: T | None = None
        self.error: BaseException | None = None
        self.done = threading.Event()

    def run(self) -> None:
        try:
            self.value = self.function()
        except BaseException as error:
            self.error = error
        finally:
            self.done.set()


def guarded(function: Callable[[], T], seconds: float = SECONDS) -> Outcome[T]:
    """Call `function`; what goes wrong becomes a clause (`raised ValueError`, `took longer than 2 s`).

    Raises
    ------
    ClaudeError
        Where the function raised one: it is a clear word to the user already.
    KeyboardInterrupt
        When the user interrupts the wait.
    """
    call = _Call(function)
    context = contextvars.copy_context()
    thread = threading.Thread(target=context.run, args=(call.run,), daemon=True, name="claude-jupyter-guard")
    thread.start()
    try:
        finished = call.done.wait(seconds)
    except BaseException:
        _abandon(thread)
        raise
    if not finished:
        _abandon(thread)
        return Outcome(None, f"took longer than {seconds:g} s")
    if isinstance(call.error, ClaudeError):
        raise call.error
    if call.error is not None:
        return Outcome(None, f"raised {type_name(type(call.error), short=True)}")
    return Outcome(call.value)


def bounded(
    function: Callable[[], T], interrupt: Callable[[], object], seconds: float = SECONDS
) -> Outcome[T]:
    """`guarded` for objects bound to the thread that made them: called here, and ended by `interrupt` when the time is up."""
    late = threading.Event()

    def end() -> None:
        late.set()
        interrupt()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        return Outcome(function())
    except Exception as error:
        if late.is_set():
            return Outcome(None, f"took longer than {seconds:g} s")
        return Outcome(None, f"raised {type_name(type(error), short=True)}")
    finally:
        timer.cancel()


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
    found = guarded(lambda: getattr(value, name)).value  # a property: code of its own
    return found if callable(found) else None


def is_installed(filename: str) -> bool:
    """Whether source is of Python or an installed package, and not the user's own."""
    parts = filename.replace("\\", "/")
    stdlib = sysconfig.get_paths()["stdlib"].replace("\\", "/")
    packages = ("/site-packages/", "/dist-packages/")
    return (
        filename.startswith("<frozen") or parts.startswith(stdlib) or any(part in parts for part in packages)
    )

"""A lock that an interrupt leaves taken makes every later question wait forever: so the main thread takes none by itself."""

from __future__ import annotations

import ast
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

import claude_jupyter
from claude_jupyter.interrupts import SafeEvent

PACKAGE = Path(claude_jupyter.__file__).parent
ELSEWHERE = {
    "conversation/drivers/background.py": "_drain",
    "demo/oracle/caching.py": "account",
    "demo/oracle/rate_limits.py": "admit used headers",
    "demo/orders.py": "_error",
    "kernel/look/sql/engines.py": "_running",
    "client/mcp/connection.py": "_serve",
}
"""What takes locks or starts threads on another thread than the main one, where no interrupt arrives."""
SAFE = {"interrupts.py"}


def bare(tree: ast.AST, within: str = "") -> Iterator[tuple[str, int, str]]:
    """Where a function takes a lock, makes an event, or starts a thread without holding interrupts back."""
    for node in ast.iter_child_nodes(tree):
        inside = node.name if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) else within
        match node:
            case ast.With(items=items):
                names = [ast.unparse(item.context_expr) for item in items]
                if any(n.rpartition(".")[2].strip("_").endswith(("lock", "busy")) for n in names):
                    yield within, node.lineno, ", ".join(names)
            case ast.Call(func=ast.Attribute(value=made, attr="start")) if "Thread(" in ast.unparse(made):
                yield within, node.lineno, "Thread.start"
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name), attr="start")) if "thread" in name:
                yield within, node.lineno, "Thread.start"
            case ast.Call(func=ast.Attribute(value=ast.Name(id="threading"), attr=kind)) if kind in (
                "Event",
                "Condition",
                "Semaphore",
                "Barrier",
            ):
                yield within, node.lineno, f"threading.{kind}"
            case _:
                pass
        yield from bare(node, inside)


@pytest.mark.parametrize(
    "path", [p for p in sorted(PACKAGE.rglob("*.py")) if p.name not in SAFE], ids=lambda p: p.stem
)
def test_the_main_thread_takes_locks_and_starts_threads_only_where_no_interrupt_arrives(path: Path) -> None:
    name = path.relative_to(PACKAGE).as_posix()
    allowed = ELSEWHERE.get(name, "").split()
    found = [
        f"{name}:{line}: {what}"
        for where, line, what in bare(ast.parse(path.read_text("utf-8")))
        if where not in allowed
    ]
    assert not found, "use `locked`, `started` or `SafeEvent` of claude_jupyter.interrupts"


@pytest.mark.timeout(20)
def test_a_wait_ends_in_time_whatever_signals_come_that_raise_nothing() -> None:
    event, signals = SafeEvent(), []
    before = signal.signal(signal.SIGALRM, lambda *_: signals.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
        for _ in range(200):
            assert not event.wait(0.002)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert len(signals) > 200


class LostSignals:
    """A lock whose waits no signal ends, as where one comes just before the system waits; Python looks for it after each."""

    def __init__(self) -> None:
        self.waits: list[float] = []

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        self.waits.append(timeout)
        signal.raise_signal(signal.SIGINT)
        return False


def test_an_interrupt_that_comes_just_before_a_long_wait_ends_it_within_a_second(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    event, lock = SafeEvent(), LostSignals()
    monkeypatch.setattr(event, "_silence", lock)
    with pytest.raises(KeyboardInterrupt):
        event.wait(50)
    assert lock.waits[0] <= 1


def test_an_event_wakes_its_waiter_and_can_ring_again() -> None:
    event = SafeEvent()
    for _ in range(3):
        timer = threading.Timer(0.02, event.set)
        timer.start()
        assert event.wait(10)
        timer.join()
        event.set()  # twice is once
        assert event.wait(10)
        event.clear()
        assert not event.is_set()
        assert not event.wait(0.01)

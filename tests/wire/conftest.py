"""A real kernel and a loopback service for the wire tests, see `support/kernel_fixtures.py`; and the table of the fault matrix."""

from typing import Any

from support import faults_tally
from support.kernel_fixtures import (
    _module_kernel,
    _module_server,
    demo_server,
    fresh_kernel,
    kernel,
    server,
)

__all__ = ["_module_kernel", "_module_server", "demo_server", "fresh_kernel", "kernel", "server"]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Print what the fault matrix tried and what passed."""
    if faults_tally.TRIED:
        terminalreporter.section("fault matrix")
        terminalreporter.write_line("\n".join(faults_tally.table()))

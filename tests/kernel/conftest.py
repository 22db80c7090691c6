"""A real kernel and a loopback service for the kernel tests; see `support/kernel_fixtures.py`."""

from support.kernel_fixtures import (
    _module_kernel,
    _module_server,
    demo_server,
    fresh_kernel,
    kernel,
    server,
)

__all__ = ["_module_kernel", "_module_server", "demo_server", "fresh_kernel", "kernel", "server"]

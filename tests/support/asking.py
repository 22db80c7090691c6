"""What tests say often: a `%%claude` cell, what was sent for it, and what one clear line is."""

from __future__ import annotations

from typing import Any

from support.kernel import ANSWER, WIDGET, Execution, Kernel
from support.raw_server import RawServer, answer


def ask(kernel: Kernel, prompt: str = "Why?", line: str = "", **how: Any) -> Execution:
    """Run a `%%claude` cell."""
    return kernel.run(f"%%claude {line}\n{prompt}", **how)


def sent_text(server: RawServer) -> str:
    """The text blocks of the newest user message that came to the server, one below the other."""
    content = server.requests[-1].json["messages"][-1]["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return "\n".join(block["text"] for block in blocks if block["type"] == "text")


def roles(server: RawServer) -> list[str]:
    """The roles of the newest request's messages."""
    return [message["role"] for message in server.requests[-1].json["messages"]]


def assert_one_clear_line(done: Execution, *words: str) -> None:
    """The cell failed with one or two lines that hold these words, and nothing of our insides."""
    assert not done.ok, f"succeeded: {done.stdout}{done.bundles}"
    error = done.error.strip()
    assert error, "no error was shown"
    assert len(error.splitlines()) <= 2, error
    assert "Traceback" not in error and "site-packages" not in error, error
    for word in words:
        assert word in error, error


def assert_next_works(kernel: Kernel, server: RawServer) -> None:
    """The next question is answered, and its request is valid: turns alternate, nothing is empty."""
    server.reset(answer("Fine."))
    done = ask(kernel, "Next?")
    assert done.ok, done.error
    assert done.answer["text/plain"] == "Fine."
    assert roles(server) == ["user", "assistant"] * (len(roles(server)) // 2) + ["user"]
    for message in server.requests[-1].json["messages"]:
        assert message["content"], message


def assert_durable(bundle: Any) -> None:
    """A mimebundle fit to be saved: Markdown, plain text, the answer, and no widget."""
    assert {"text/markdown", "text/plain", ANSWER} <= set(bundle)
    assert WIDGET not in bundle

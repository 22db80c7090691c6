"""What has to hold in every cell of the fault matrix, whatever went wrong and however it was asked."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from support.faults_line import Seen, until
from support.faults_ways import FINE, KERNEL, NEXT, Bench, Outcome, ours

from claude_jupyter.costs.ledger.calls import Where

ADVICE = re.compile(
    r"again|check\b|resume\(\)|%claude_key|%config|--|-n\b|attach less|allow more|did you mean|claude\.models|console",
    re.I,
)
TOKENS = ("input_tokens", "output_tokens", "cache_read", "cache_write_5m", "cache_write_1h")


def assert_one_clear_line(line: str) -> None:
    """One or two lines that say what happened and what to do, and nothing of our insides."""
    assert line.strip() and len(line.splitlines()) <= 2, line
    assert len(line) < 500, line
    for inside in ("Traceback", "site-packages", "object at 0x", "claude_jupyter", "httpx", "test-key"):
        assert inside not in line, line
    assert ADVICE.search(line), f"does not say what to do: {line}"


def assert_history_is_sound(b: Bench) -> None:
    """Turns alternate, nothing is empty, and every call has its result."""
    messages = b.claude.messages
    assert [m["role"] for m in messages] == ["user", "assistant"] * (len(messages) // 2), messages
    for message in messages:
        assert message["content"], message
        for block in message["content"]:
            assert block["type"] != "text" or block["text"].strip(), message
    calls = [block["id"] for m in messages for block in m["content"] if block["type"] == "tool_use"]
    results = [
        block["tool_use_id"] for m in messages for block in m["content"] if block["type"] == "tool_result"
    ]
    assert calls == results


def assert_next_works(b: Bench) -> None:
    """The next question is answered by the strict server, over the same line."""
    before = len(b.demo.requests)
    assert b.claude.ask(NEXT).text == FINE
    assert [r.status for r in b.demo.requests[before:]] == [200]
    assert_history_is_sound(b)


def assert_resumes(b: Bench, text: str) -> None:
    """`resume` goes on from what was kept."""
    assert b.claude.resume().text == FINE
    sent = "".join(
        str(block.get("text", ""))
        for m in b.bodies[-1]["messages"]
        if m["role"] == "assistant"
        for block in m["content"]
    )
    assert squeezed(text) in squeezed(sent)


def assert_books_agree(b: Bench) -> None:
    """Each row is exactly what the server counted, or marked and not above it; what was spent is the sum of the rows."""
    served = {
        r.request_id: r for r in b.demo.requests if r.path.startswith("/v1/messages") and r.status == 200
    }
    # While the disk takes nothing, the row as it began stands there, and what became of it in memory.
    newest = {row["id"]: row for row in b.ledger.rows(Where()) if row["kernel"] == KERNEL}
    rows = list(newest.values())
    ids = [row["request_id"] for row in rows if row["request_id"] in served]
    assert len(ids) == len(set(ids)), "a request stands twice in the ledger"
    for row in rows:
        assert row["stop_reason"], f"a row that was never completed: {row}"
        counted = served.get(row["request_id"])
        if row["complete"]:
            assert counted is not None, row
            assert tokens_in(row) == counted_in(counted), (row, counted)
            assert not row["estimated"], row
        elif any(tokens_in(row).values()):
            assert row["estimated"] and counted is not None, row
            for name, tokens in tokens_in(row).items():
                assert tokens <= counted_in(counted)[name], (name, row, counted)
            assert tokens_in(row)["input_tokens"] == counted_in(counted)["input_tokens"]
        else:
            assert Decimal(row["cost_usd"] or 0) == 0, row
    assert b.claude.cost == sum(Decimal(row["cost_usd"] or 0) for row in rows)
    assert b.claude.usage.total == sum(sum(tokens_in(row).values()) for row in rows)


def tokens_in(row: Any) -> dict[str, int]:
    """The tokens of a ledger row."""
    return {name: row[name] or 0 for name in TOKENS}


def counted_in(received: Any) -> dict[str, int]:
    """The tokens that the server counted for a request, under the ledger's names."""
    usage = received.usage
    return dict(
        zip(
            TOKENS,
            (usage.input, usage.output, usage.cache_read, usage.cache_write_5m, usage.cache_write_1h),
            strict=True,
        )
    )


def expected_text(b: Bench, since: int) -> tuple[str, str]:
    """What the client can have read since that request: (text, thinking), blanks aside."""
    streams = [Seen.of(p.read) for p in b.line.passed[since:]]
    return squeezed("".join(s.text for s in streams)), squeezed("".join(s.thinking for s in streams))


def squeezed(text: str) -> str:
    """Without blanks."""
    return "".join(text.split())


def possible_texts(b: Bench, since: int) -> list[tuple[str, str, bool]]:
    """The same where the last event may not have been closed, and whether the end was told: it may count, or not."""
    read = [p.read for p in b.line.passed[since:]]
    both = []
    for unclosed in (False, True):
        streams = [*map(Seen.of, read[:-1]), Seen.of(read[-1], unclosed=unclosed)]
        both.append(
            (
                squeezed("".join(s.text for s in streams)),
                squeezed("".join(s.thinking for s in streams)),
                streams[-1].stop_known,
            )
        )
    return both


def assert_kept(outcome: Outcome, text: str, thinking: str) -> None:
    """All that arrived is there to be read."""
    assert squeezed(outcome.text) == text
    assert squeezed(outcome.thinking) == thinking


def descriptors() -> dict[str, str]:
    """What this process holds open."""
    targets: dict[str, str] = {}
    folder = Path("/proc/self/fd")
    for entry in folder.iterdir() if folder.is_dir() else ():
        with suppress(OSError):
            targets[entry.name] = str(entry.readlink())
    return {name: target for name, target in targets.items() if not target.startswith("/proc/")}


@contextmanager
def nothing_left_behind(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No thread of ours, no descriptor more than before, no temporary file."""
    scratch = folder / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    before = descriptors()
    assert not ours()
    yield
    until(lambda: not ours(), f"threads: {ours()}")
    until(
        lambda: len(descriptors()) <= len(before),
        f"open: {set(descriptors().values()) - set(before.values())}",
    )
    assert not list(scratch.iterdir())
    assert not list((folder / "data").rglob("*.tmp"))

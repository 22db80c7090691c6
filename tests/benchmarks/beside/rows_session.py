"""Dollars of twenty questions over an attachment of 50,000 tokens, counted by the server by the published caching rules."""

from __future__ import annotations

from support.long_talk import document

from .alternatives import Alternative
from .bench import Bench, Measured
from .environments import Home
from .figures import Cannot, Figure, Row
from .kernels import kernel

TURNS = 20
TOKENS = 50_000
ANSWER = 875
"""Characters of an answer: 250 tokens."""


def rows() -> list[Row]:
    """The group's rows."""
    return [Row("session", f"{TURNS} questions over {TOKENS:,} tokens", "$")]


def measure(bench: Bench) -> list[Row]:
    """One session each; the prices are those of one model for all."""

    def one(alternative: Alternative, home: Home) -> Measured:
        if alternative.session is None:
            return {"session": Cannot("keeps no conversation")}
        first, later = alternative.session
        with kernel(alternative, home, bench.stub.url, bench.folder) as running:
            running.must(alternative.load)
            running.must(alternative.setup or "0")
            running.must(f"documents = {document(TOKENS)!r}")
            bench.stub.say(ANSWER, 0)
            running.must(first.replace("PROMPT", repr("What is this about? " * 3)), cell_id="q-first")
            for n in range(TURNS - 1):
                question = f"Question {n}: what else does it say about this? " * 2
                running.must(later.replace("PROMPT", repr(question)), cell_id=f"q-{n}")
        told = bench.stub.told()
        if told.requests != TURNS:
            raise RuntimeError(f"{told.requests} requests for {TURNS} questions")
        return {"session": Figure(float(told.dollars))}

    return bench.each("session", rows(), one)

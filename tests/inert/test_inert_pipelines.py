"""Whatever a model writes, an answer opened in JupyterLab, exported by nbconvert or read on GitHub runs nothing and fetches nothing.

The pipelines are the real ones: nbconvert's own function, JupyterLab's modules in Node (`lab_pipeline.mjs`), with its `marked`
and with the newest, which our widget uses; and markdown-it, as VS Code uses it, for CommonMark. Each document is a random join of
what was seen to fool one of them.
INERT_DOCUMENTS=50000 (and INERT_SEED) asks for more than the daily few thousand.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from inert_fragments import CODE, FRAGMENTS, MORE, PAYLOADS, documents
from inert_pages import live
from nbconvert.filters.markdown_mistune import markdown2html_mistune

from claude_jupyter.answer.model import Answer, Block
from claude_jupyter.display.bundle import bundle
from claude_jupyter.display.inert import inert

HERE = Path(__file__).parent
DOCUMENTS = int(os.environ.get("INERT_DOCUMENTS", "3000"))
SEED = int(os.environ.get("INERT_SEED", "20261122"))

Pipeline = Callable[[Sequence[str]], list[str]]


def in_node(script: str, marked: str = "marked") -> Pipeline:
    """The HTML that a script beside this file makes of each document, with the `marked` of that name."""

    def render(markdown: Sequence[str]) -> list[str]:
        lines = "".join(json.dumps(text) + "\n" for text in markdown)
        done = subprocess.run(
            ["node", script],
            input=lines,
            cwd=HERE,
            capture_output=True,
            encoding="utf-8",
            check=False,
            env={**os.environ, "MARKED": marked},
        )
        assert done.returncode == 0, done.stderr[-2000:]
        return [json.loads(line) for line in done.stdout.split("\n") if line]

    return render


def in_nbconvert(markdown: Sequence[str]) -> list[str]:
    """nbconvert's HTML of each document."""
    return [markdown2html_mistune(text) for text in markdown]


@pytest.fixture(scope="session", params=["JupyterLab", "newest marked", "nbconvert", "CommonMark"])
def render(request: pytest.FixtureRequest) -> Pipeline:
    if request.param == "nbconvert":
        return in_nbconvert
    installed = HERE / "node_modules" / ".package-lock.json"
    if not installed.exists() or installed.stat().st_mtime < (HERE / "package-lock.json").stat().st_mtime:
        subprocess.run(["npm", "ci"], cwd=HERE, check=True, capture_output=True)
    if request.param == "CommonMark":
        return in_node("commonmark_pipeline.mjs")
    return in_node("lab_pipeline.mjs", "marked-newest" if request.param == "newest marked" else "marked")


def test_every_known_payload_is_dead(render: Pipeline):
    payloads = [*PAYLOADS, *CODE, *MORE]
    pages = render([inert(text) for text in payloads])
    assert [(text, found) for text, html in zip(payloads, pages, strict=True) if (found := live(html))] == []


def test_nothing_is_live_in_random_joins_of_payloads(render: Pipeline):
    texts = list(documents(DOCUMENTS, SEED))
    pages = render([inert(text) for text in texts])
    alive = [(text, found) for text, html in zip(texts, pages, strict=True) if (found := live(html))]
    assert alive[:3] == []


def test_nothing_is_live_where_an_answer_breaks_off(render: Pipeline):
    texts = [text[: len(text) * (n % 10) // 10] for n, text in enumerate(documents(DOCUMENTS // 3, SEED + 1))]
    pages = render([inert(text) for text in texts])
    assert [(text, found) for text, html in zip(texts, pages, strict=True) if (found := live(html))][:3] == []


def test_the_judge_sees_what_runs_unprotected(render: Pipeline):
    # A fuzzer that finds nothing must be one that could: the same payloads as they are.
    texts = [text for text in PAYLOADS if "@\\@" not in text and "attachment:" not in text]
    assert sum(bool(live(html)) for html in render(texts)) > len(texts) // 2


@pytest.mark.parametrize(
    "text",
    [
        "```html\n<b>bold</b>\n```",
        "1. one\n\n   ```vue\n   <template></template>\n   ```\n2. two",
        "`List<T>` and [docs](https://ok.example)",
        "| a | b |\n|---|---|\n| `Map<K>` | x<sub>2</sub> |",
    ],
)
def test_code_reads_the_same_as_before(render: Pipeline, text: str):
    assert render([inert(text)]) == render([text])


def test_nothing_is_live_in_bundles_of_several_blocks(render: Pipeline):
    chance = random.Random(SEED + 2)
    texts = [
        bundle(_answer(chance, text))[0]["text/markdown"] for text in documents(DOCUMENTS // 3, SEED + 2)
    ]
    pages = render(texts)
    assert [(text, found) for text, html in zip(texts, pages, strict=True) if (found := live(html))][:3] == []


def _answer(chance: random.Random, text: str) -> Answer:
    """An answer whose text is in pieces, with hostile notices and sources between them."""
    blocks: list[Block] = []
    at = 0
    while at < len(text):
        end = at + chance.randint(1, len(text))
        other = chance.choice(FRAGMENTS)
        blocks.append({"type": "text", "text": text[at:end]})
        blocks.append(
            chance.choice(
                [
                    {"type": "notice", "level": "info", "text": other},
                    {"type": "citation", "n": at, "title": other, "url": "https://a.example/" + other},
                    {"type": "citation", "n": at, "title": "t", "url": other},
                    {"type": "thinking", "text": other},
                ]
            )
        )
        at = end
    return Answer(
        id="a", model=chance.choice(FRAGMENTS), blocks=tuple(blocks), complete=chance.random() < 0.5
    )

"""What the page writes of an answer that is still arriving (`labextension/src/seal.ts`) runs and fetches nothing in any reader.

The same judge and the same fragments as for the kernel's own; the documents are cut anywhere, as an answer is that still arrives.
"""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from inert_fragments import CODE, MORE, PAYLOADS, documents
from inert_pages import live
from test_inert_pipelines import DOCUMENTS, SEED, Pipeline, render

__all__ = ["render"]  # the fixture

ROOT = Path(__file__).resolve().parents[2] / "labextension"
SCRIPT = """
import { createInterface } from 'node:readline';
import { seal } from %s;
for await (const line of createInterface({ input: process.stdin })) console.log(JSON.stringify(seal(JSON.parse(line))));
"""


@pytest.fixture(scope="session")
def sealed(tmp_path_factory: pytest.TempPathFactory):
    if not (ROOT / "node_modules" / "esbuild").exists():
        subprocess.run(["npm", "ci"], cwd=ROOT, check=True, capture_output=True)
    script = tmp_path_factory.mktemp("seal") / "seal.mjs"
    source = SCRIPT % json.dumps(str(ROOT / "src" / "seal.ts"))
    build = [
        "npx",
        "esbuild",
        "--bundle",
        "--platform=node",
        "--format=esm",
        "--loader=ts",
        f"--outfile={script}",
    ]
    subprocess.run(build, cwd=ROOT, input=source, check=True, capture_output=True, encoding="utf-8")

    def seal(texts: list[str]) -> list[str]:
        lines = "".join(json.dumps(text) + "\n" for text in texts)
        done = subprocess.run(
            ["node", str(script)], input=lines, capture_output=True, encoding="utf-8", check=True
        )
        return [json.loads(line) for line in done.stdout.split("\n") if line]

    return seal


def test_every_known_payload_is_dead(render: Pipeline, sealed):
    payloads = [*PAYLOADS, *CODE, *MORE]
    pages = render(sealed(payloads))
    assert [(text, found) for text, html in zip(payloads, pages, strict=True) if (found := live(html))] == []


def test_nothing_is_live_in_random_joins_cut_anywhere(render: Pipeline, sealed):
    texts = [text[: len(text) * (3 + n % 8) // 10] for n, text in enumerate(documents(DOCUMENTS, SEED + 5))]
    pages = render(sealed(texts))
    alive = [(text, found) for text, html in zip(texts, pages, strict=True) if (found := live(html))]
    assert alive[:3] == []

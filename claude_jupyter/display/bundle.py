"""An answer as the mimebundle that stays in the notebook.

Markdown for every reader, the text verbatim for `restore()`, and the facts as data for our own views (`answer/codec.py`). What is
drawn of it is the views' business (`labextension/src/answer/`); how text is made harmless is `inert`'s.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final
from urllib.parse import quote, urlsplit

from claude_jupyter.answer.codec import MIME, output_json
from claude_jupyter.answer.model import Answer, Block
from claude_jupyter.costs.usage import dollars
from claude_jupyter.display.inert import apart, inert_parts, literal
from claude_jupyter.display.structured.readable import readable
from claude_jupyter.encodable import encodable

_LONGEST_NOTICE: Final = 1_000
_LONGEST_ADDRESS: Final = 2_000
_LONGEST_QUOTE: Final = 1_000
_LONGEST_TITLE: Final = 300
_LOOKS: Final = 6
_LABEL: Final = "**Claude**"

Bundle = tuple[dict[str, Any], dict[str, Any]]


def bundle(answer: Answer) -> Bundle:
    """The durable output of an answer, finished, stopped or failed: (data, metadata).

    Its Markdown is a label, so that without our own view (in an exported page, on GitHub) nobody takes an answer for the author's
    own words; the answer made inert, a quote below each paragraph that cites a document, a small italic line for each notice,
    the web pages it cites, and italic lines of facts. In the JSON a text block is a range of the Markdown, in code points.
    """
    markdown, ranges = _markdown(answer)
    data: dict[str, Any] = {
        MIME: output_json(answer, ranges),
        "text/markdown": markdown,
        "text/plain": encodable(answer.text),
    }
    return data, {}


def snapshot(answer: Answer) -> Bundle:
    """The same for an answer that is still arriving: complete in itself, an open fence closed, marked as unfinished."""
    return bundle(answer)


def facts_line(answer: Answer) -> str:
    """Model, day on this machine and price: `claude-sonnet-5-5 · 2026-11-22 · $0.0134`."""
    day = answer.started.astimezone().date().isoformat() if answer.started else ""
    return " · ".join(filter(None, (answer.model or "unknown model", day, _price(answer))))


def footer_line(answer: Answer) -> str:
    """The footer where it is text: `claude-sonnet-5-5 · 5,528 in · 418 out · 35 % from cache, saved $0.12 · $0.0134 · 9.1 s`."""
    usage = answer.usage
    lower = "≥ " if answer.estimated else ""
    tokens = f"{lower}{usage.prompt:,} in · {'~' if lower else ''}{usage.output:,} out"
    facts = (
        answer.model or "unknown model",
        tokens if usage.total else "",
        from_cache(answer),
        written_again(answer),
        _price(answer),
        f"{answer.seconds:.1f} s" if answer.seconds else "",
    )
    return " · ".join(filter(None, facts))


def from_cache(answer: Answer) -> str:
    """How much of the prompt was read from the cache, and what that saved: `35 % from cache, saved $0.12`."""
    usage = answer.usage
    share = round(100 * usage.cache_read / usage.prompt) if usage.prompt else 0
    if not share:
        return ""
    saved = answer.cost.saved if answer.cost is not None else Decimal(0)
    return f"{share} % from cache" + (f", saved {dollars(saved)}" if saved > 0 else "")


def written_again(answer: Answer) -> str:
    """What an expired cache cost: `cache had expired, 52,345 tokens written again`."""
    return f"cache had expired, {answer.rewritten:,} tokens written again" if answer.rewritten else ""


def _price(answer: Answer) -> str:
    if answer.replayed:
        return "replayed, $0"
    lower = answer.estimated or (answer.cost is not None and answer.cost.estimated)
    price = dollars(answer.cost, estimated=lower)
    return f"{price} (demo, nothing billed)" if answer.provider == "demo" or not answer.billed else price


def _markdown(answer: Answer) -> tuple[str, dict[int, tuple[int, int]]]:
    read = readable if answer.value is not None else str
    texts = {n: encodable(read(b["text"])) for n, b in enumerate(answer.blocks) if b["type"] == "text"}
    for n in list(texts)[1:]:
        texts[n] = texts[n].strip("\n")
    safe = dict(zip(texts, inert_parts(list(texts.values())), strict=True))
    pieces = [_LABEL]
    ranges: dict[int, tuple[int, int]] = {}
    length = len(pieces[0])
    for n, block in enumerate(answer.blocks):
        piece = safe.get(n) if n in safe else _quote(block) or _notice(block)
        if not piece:
            if n in safe:
                ranges[n] = (length, length)
            continue
        pieces.append(piece)
        if n in safe:
            ranges[n] = (length + 2, length + 2 + len(piece))
        length += 2 + len(piece)
    return "\n\n".join([*pieces, *_lines_after(answer)]), ranges


def place_of(block: Block) -> str:
    """Where a quote of a document is: `p. 3`, `pp. 3–4`, `characters 121–156` (from 1); empty for anything else."""
    match block:
        case {"pages": [first, last]}:
            return f"p. {first}" if first == last else f"pp. {first}–{last}"
        case {"characters": [start, end]}:
            return f"characters {start + 1:,}–{end:,}"
        case _:
            return ""


def _quote(block: Block) -> str:
    place = place_of(block) if block["type"] == "citation" else ""
    if not place:
        return ""
    words = " ".join(encodable(str(block.get("cited") or "")).split())
    cut = " …" if len(words) > _LONGEST_QUOTE else ""
    quoted = f"“{literal(words[:_LONGEST_QUOTE])}{cut}” — " if words else ""
    return apart(f"> {quoted}*{_title(block)}*, {place}")


def _title(block: Block) -> str:
    name = block.get("title") or block.get("url") or "source"
    return literal(encodable(str(name))[:_LONGEST_TITLE])


def _notice(block: Block) -> str:
    text = literal(encodable(str(block["text"]))[:_LONGEST_NOTICE]) if block["type"] == "notice" else ""
    return f"*{apart(text)}*" if text else ""


def _lines_after(answer: Answer) -> Iterator[str]:
    if not answer.complete and not any(b["type"] == "notice" for b in answer.blocks):
        began = any(b["type"] in ("text", "thinking", "tool") for b in answer.blocks)
        yield "*This answer is unfinished.*" if began else "*There is no answer.*"
    sources = dict[Any, str]()
    for block in (b for b in answer.citations if not place_of(b)):
        sources.setdefault(block.get("n"), _source(block))
    if sources:
        yield "\n".join(sources.values())
    if looked := looked_line(answer):
        yield f"*{literal(encodable(looked)).replace('&#36;', '$')}*"
    for block in answer.blocks:
        if block["type"] == "step":
            yield f"*{literal(encodable(step_line(block)))}*"
    yield f"*{literal(facts_line(answer)).replace('&#36;', '$')}*"


def looked_line(answer: Answer) -> str:
    """What looking cost, for the footer: `lookups: query 87 tokens, $0.0003 · show 310 tokens, $0.0009`; empty without lookups."""
    looks = [b for b in answer.blocks if b["type"] == "tool" and b.get("tokens")]
    lines = [
        f"{b['name']} " + ", ".join(filter(None, (f"{b['tokens']:,} tokens", b.get("price"))))
        for b in looks[:_LOOKS]
    ]
    more = len(looks) - len(lines)
    tokens = sum(b["tokens"] for b in looks[_LOOKS:])
    lines += [f"{more:,} more, {tokens:,} tokens"] if more else []
    return f"lookups: {' · '.join(lines)}" if lines else ""


_APPROVALS: Final = {
    "run": "you ran it",
    "auto": "it ran automatically",
    "edited": "you edited and ran it",
    "skipped": "not run",
}


def step_line(block: Block) -> str:
    """What happened to a step, for the footer: `step 1 · you ran it · new: summer, by_year`."""
    changed = block.get("changed")
    changed = changed if isinstance(changed, Mapping) else {}
    parts = [f"step {block.get('number') or ''}".strip(), _APPROVALS.get(str(block.get("approval")), "")]
    names = {
        "new": changed.get("added"),
        "changed": changed.get("changed"),
        "removed": changed.get("removed"),
    }
    parts += [
        f"{word}: {', '.join(map(str, list(values)[:6]))}"
        for word, values in names.items()
        if values and isinstance(values, Mapping | list)
    ]
    parts += [f"failed: {block['error']}"] if block.get("error") else []
    return " · ".join(filter(None, parts))


def _source(block: Block) -> str:
    url = encodable(str(block.get("url") or ""))
    host = urlsplit(url).hostname if _is_web(url) else None
    label = f"&#91;{literal(str(block.get('n') or ''))}&#93; {_title(block)}"
    if not host:
        return f"- {label}"
    address = quote(url, safe="/:?#=%+,;.-~!").replace("%26", "&amp;")
    return f"- [{label} — {literal(host)}]({address})"


def _is_web(url: str) -> bool:
    if not re.match(r"https?://[\w.-]+(?::\d+)?(?:[/?#]|$)", url) or len(url) > _LONGEST_ADDRESS:
        return False
    try:
        return bool(urlsplit(url).hostname)
    except ValueError:
        return False

"""`--dry-run`: what would be sent, in readable form: each part with its tokens, the texts, thumbnails of images, the price."""

from __future__ import annotations

import re
from html import escape
from typing import Any

from claude_jupyter.answer.model import Attachment, Receipt
from claude_jupyter.costs.usage import dollars

_STYLE = (
    "border:1px solid var(--jp-border-color2,#ddd);border-radius:4px;padding:8px 12px;"
    "font-family:var(--jp-content-font-family,system-ui);font-size:13px;color:var(--jp-content-font-color1,inherit)"
)
_PRE = (
    "white-space:pre-wrap;overflow-wrap:anywhere;max-height:24em;overflow:auto;margin:2px 0 8px;padding:6px 8px;"
    "background:rgba(128,128,128,.12);color:inherit;font-size:12px"
)


def rendered(receipt: Receipt) -> tuple[dict[str, Any], dict[str, Any]]:
    """The mimebundle of a receipt: HTML for notebooks, plain text elsewhere."""
    return {"text/html": _html(receipt), "text/plain": _plain(receipt)}, {}


def _price(receipt: Receipt) -> str:
    if receipt.least is None:
        return "price unknown"
    billed = "billed" if receipt.left else "would be billed"
    free = f" (demo, nothing {billed})" if receipt.provider == "demo" else ""
    return (
        f"{dollars(receipt.least)} for the prompt, at most {dollars(receipt.most)} with "
        f"{receipt.max_tokens:,} answer tokens{free}"
    )


def _head(receipt: Receipt) -> str:
    chat = "" if receipt.chat == "main" else f" · chat {receipt.chat}"
    begin = "Sent to" if receipt.left else "Nothing was sent."
    return f"{begin} {receipt.model}{chat} · about {receipt.tokens:,} tokens"


def _plain(receipt: Receipt) -> str:
    width = max(len(name) for name, _ in receipt.parts)
    lines = [_head(receipt), _price(receipt), ""]
    lines += [f"  {name:<{width}}  {count:>9,} tokens" for name, count in receipt.parts]
    for a in receipt.attachments:
        lines += ["", f"--- {a.label} · {a.sent}", *a.texts]
    lines += ["", "--- question", receipt.prompt, *(f"Note: {n}" for n in receipt.notes)]
    return "\n".join(lines)


def _html(receipt: Receipt) -> str:
    rows = "".join(
        f'<tr><td style="text-align:left">{escape(name)}</td><td style="text-align:right">{count:,}</td></tr>'
        for name, count in receipt.parts
    )
    attachments = "".join(_attachment(a) for a in receipt.attachments)
    notes = "".join(f"<div>{escape(note)}</div>" for note in receipt.notes)
    return (
        f'<div class="mathjax_ignore tex2jax_ignore" style="{_STYLE}">'
        f"<div><b>{escape(_head(receipt))}</b></div><div>{_amounts(_price(receipt))}</div>"
        f'<table style="margin:6px 0 8px 0"><thead><tr><th style="text-align:left">part</th><th>tokens</th></tr></thead>'
        f"<tbody>{rows}</tbody></table>{attachments}"
        f'<div><b>question</b></div><pre style="{_PRE}">{escape(receipt.prompt)}</pre>{notes}</div>'
    )


def _amounts(text: str) -> str:
    """Each amount as an element of its own: two dollar signs in one would be taken for mathematics."""
    return re.sub(r"(\$[\d.,]+)", r"<span>\1</span>", escape(text))


def _attachment(a: Attachment) -> str:
    head = f"<div><b>{escape(a.label)}</b> · {escape(a.sent)}</div>"
    picture = ""
    if a.thumbnail and a.thumbnail.startswith("data:image/"):
        picture = f'<img alt="" src="{escape(a.thumbnail, quote=True)}" style="display:block;margin:4px 0">'
    texts = "\n".join(a.texts)
    return head + picture + (f'<pre style="{_PRE}">{escape(texts)}</pre>' if texts else "")

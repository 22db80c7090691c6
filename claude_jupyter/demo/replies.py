"""The demo model's own answers: they say that they come from the offline demo, and describe what was received.

Deterministic: the same request gets the same words. Nothing is understood here; `reading.py` only tells apart what was attached.
What `demo:…` in a prompt does stands in `orders.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from claude_jupyter.demo.code import code_for
from claude_jupyter.demo.orders import Orders
from claude_jupyter.demo.reading import Frame, Seen, read
from claude_jupyter.demo.sample import Words, fitting
from claude_jupyter.demo.script import Body, Call, Piece, Say, Script, Search, Think
from claude_jupyter.models import facts

WHO: Final = "This is the **offline demo model** of claude-jupyter, not Claude: it describes what it received and understands nothing."
AGAIN: Final = "The **offline demo model** again, not Claude."
_COLUMNS: Final = 8
_QUOTE: Final = 120
_MATHS = re.compile(r"\b(formula|maths?|equation|latex|derive|theorem|integral)\b", re.IGNORECASE)
_FORMULA: Final = r"""Here is mathematics for the view to typeset: the mean $\bar{x} = \frac{1}{n}\sum_{i=1}^{n} x_i$, and the variance

$$s^2 = \frac{1}{n-1}\sum_{i=1}^{n}\left(x_i - \bar{x}\right)^2$$"""


class DemoReplies:
    """A function from a request's body to a script; its only state are the refusals counted for `demo:error … times=`."""

    def __init__(self) -> None:
        self._orders = Orders()

    def __call__(self, body: Body) -> Script:
        seen = read(body)
        script = Script(pieces=(*_thinking(body, seen), *_answer(body, seen)))
        return self._orders.apply(seen.prompt, script, int(body.get("max_tokens") or 0))


def _thinking(body: Body, seen: Seen) -> Sequence[Piece]:
    model = facts(str(body.get("model")))
    kind = (body.get("thinking") or {}).get("type") or ("disabled" if model.thinks == "off" else "adaptive")
    if kind == "disabled" or (kind == "between_tools" and not seen.results):
        return ()
    if seen.results:
        return (Think(f"The tools answered: {len(seen.results)} result(s). Time to say what came back."),)
    attached = [f.label for f in seen.frames] + [s.label for s in seen.shown] + [t.label for t in seen.texts]
    what = f"With it came {', '.join(attached)}." if attached else "Nothing is attached."
    return (Think(f"The question is: {_quoted(seen.prompt)}. {what} I can describe, not understand."),)


def _answer(body: Body, seen: Seen) -> Sequence[Piece]:
    form = (body.get("output_config") or {}).get("format")
    tools = [t for t in body.get("tools") or () if (t.get("type") or "custom") == "custom"]
    if not seen.results:
        calls = _calls(body, seen, tools)
        if calls:
            names = ", ".join(f"`{name}`" for name in dict.fromkeys(c.name for c in calls))
            said = (
                ()
                if form
                else (Say(f"{WHO if not seen.earlier else AGAIN} I call {names} as a model would.\n"),)
            )
            return (*said, *calls)
    if form:
        return (Say(json.dumps(fitting(form["schema"], Words(seen.prompt)), ensure_ascii=False)),)
    web = next((t for t in body.get("tools") or () if str(t.get("type")).startswith("web_search")), None)
    if web is not None:
        return _searched(seen)
    return (Say(_described(seen)),)


def _described(seen: Seen) -> str:
    parts = [WHO if not seen.earlier else AGAIN]
    if seen.earlier:
        count = len(seen.earlier)
        parts.append(
            f"Earlier in this chat you asked {_quoted(seen.earlier[-1])}"
            + (f" ({count} questions before this one)." if count > 1 else ".")
        )
    if seen.prompt:
        parts.append(f"Your question: {_quoted(seen.prompt)}")
    parts += [_result(*result) for result in seen.results]
    parts += [_frame(frame) for frame in seen.frames]
    if seen.shown:
        parts.append("\n".join(f"- `{s.label}`, {_article(s.kind)}: {s.facts}" for s in seen.shown))
    if seen.texts:
        parts.append("\n".join(f"- `{t.label}` ({t.kind}): {_size(t.text)}" for t in seen.texts))
    if not (seen.frames or seen.shown or seen.texts or seen.results):
        count = len(seen.prompt.split())
        kept = _listed(seen.labels_before)
        parts.append(
            f"Nothing new came with it; I still have {kept} from before."
            if kept
            else f"Nothing was attached; the question has {count} word{'s' * (count != 1)}."
        )
    if _MATHS.search(seen.prompt):
        parts.append(_FORMULA)
    code = code_for(seen)
    if code:
        fence = _fence(code.text)
        parts.append(f"{code.words}\n\n{fence}python\n{code.text}\n{fence}")
    return "\n\n".join(parts)


def _listed(labels: Sequence[str]) -> str:
    *most, last = [f"`{label}`" for label in labels] or [""]
    return f"{', '.join(most)} and {last}" if most else last


def _quoted(text: str) -> str:
    """The beginning of a text in quotation marks; its dollars are no formula (`$5 to $7`)."""
    line = " ".join(text.split())
    line = line if len(line) <= _QUOTE else line[: _QUOTE - 1].rstrip() + "…"
    return f"“{line.replace('$', chr(92) + '$')}”"


def _article(kind: str) -> str:
    return "an image" if kind == "image" else f"a {kind}"


def _size(text: str) -> str:
    lines = text.splitlines()
    last = next((line.strip() for line in reversed(lines) if line.strip()), "")
    return f"{len(lines):,} line{'s' * (len(lines) != 1)}, the last one `{last[:_QUOTE].replace('`', '′')}`"


def _result(name: str, text: str, failed: bool) -> str:
    """What a tool gave back, read back in a fence longer than any inside."""
    fence = _fence(text)
    verb = "failed with" if failed else "returned"
    return f"The tool `{name}` {verb}:\n\n{fence}text\n{text[:2000]}\n{fence}"


def _fence(text: str) -> str:
    return "`" * max([3, *(len(run) + 1 for run in re.findall(r"`+", text))])


def _frame(frame: Frame) -> str:
    columns = "column" if frame.width == "1" else "columns"
    lines = [f"`{frame.label}` is a {frame.title} of {frame.rows} × {frame.width} {columns}:"]
    if frame.columns:
        lines += ["", "| column | type | what the profile says |", "|---|---|---|"]
        lines += [
            f"| {_cell(c.name)} | {_cell(c.dtype)} | {_cell(c.about)} |" for c in frame.columns[:_COLUMNS]
        ]
    if len(frame.columns) > _COLUMNS:
        lines += ["", f"… and {len(frame.columns) - _COLUMNS} more columns."]
    return "\n".join(lines)


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("`", "′").replace("<", "&lt;")


def _calls(body: Body, seen: Seen, tools: Sequence[Mapping[str, Any]]) -> list[Call]:
    choice = body.get("tool_choice") or {}
    kind = choice.get("type") or "auto"
    if not tools or kind == "none":
        return []
    if kind == "tool":
        wanted = [t for t in tools if t["name"] == choice["name"]]
    else:
        wanted = [t for t in tools if _meant(t, seen.prompt)] or (list(tools[:1]) if kind == "any" else [])
    words = Words(seen.prompt)
    calls: list[Call] = []
    for tool in wanted:
        calls.append(Call(tool["name"], fitting(tool["input_schema"], words)))
        # Two names in the question ("Paris and Rome") make two calls of one tool, in parallel.
        while len(wanted) == 1 and words.texts and len(calls) < 4 and tool["input_schema"].get("properties"):
            calls.append(Call(tool["name"], fitting(tool["input_schema"], words)))
    return calls[:1] if choice.get("disable_parallel_tool_use") else calls


def _meant(tool: Mapping[str, Any], prompt: str) -> bool:
    """Whether a word of the prompt stands in the tool's name or description."""
    said = set(re.findall(r"[a-z]{4,}", prompt.lower()))
    known = set(re.findall(r"[a-z]{4,}", f"{tool['name']} {tool.get('description') or ''}".lower()))
    return tool["name"].lower() in prompt.lower() or bool((said & known) - _COMMON)


_COMMON: Final = frozenset(
    (
        "this", "that", "with", "from", "what", "when", "where", "which", "have", "does", "return", "returns",
        "given", "tell", "show", "value", "the",
    )
)  # fmt: skip


def _searched(seen: Seen) -> Sequence[Piece]:
    query = " ".join(re.findall(r"\w+", seen.prompt)[:12]) or "claude-jupyter"
    title, url = "A made-up page of the offline demo", "https://example.invalid/offline-demo"
    text = "This page does not exist. The offline demo model cannot search the web."
    citation = {
        "type": "web_search_result_location",
        "cited_text": text,
        "url": url,
        "title": title,
        "encrypted_index": "demo",
    }
    return (
        Search(query, ((title, url, text),)),
        Say(f"{WHO}\n\nIt cannot search the web either; to show how a search looks, it made up one result: "),
        Say("that page says of itself that it does not exist.", (citation,)),
        Say(f"\n\n{_described(seen).split(chr(10), 1)[-1].strip()}"),
    )

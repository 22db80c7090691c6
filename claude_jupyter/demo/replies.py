"""The demo model's own answers: true statements computed from what was received, and one line that says who made them.

Deterministic: the same request gets the same words. Nothing is understood here: `request_reader.py` tells apart what was attached,
`statements/` says what stands out in it.
What `demo:…` in a prompt does is in `orders.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from claude_jupyter.demo import looking, working
from claude_jupyter.demo.documents.quotes import cited
from claude_jupyter.demo.orders import Orders
from claude_jupyter.demo.request_reader import Seen, Text, read
from claude_jupyter.demo.sample import Words, fitting
from claude_jupyter.demo.script import Body, Call, Piece, Say, Script, Search, Think
from claude_jupyter.demo.statements import figures, printed, profiles
from claude_jupyter.demo.statements.error_causes import diagnose
from claude_jupyter.demo.statements.figure_text import Figure
from claude_jupyter.demo.statements.generated_code import code_for
from claude_jupyter.demo.statements.profile_text import Frame
from claude_jupyter.demo.statements.wording import code, listed, named_in
from claude_jupyter.models import facts

WHO: Final = "*From the offline demo model, not Claude: all of this is computed from what was sent.*"
_SAYING: Final = 3
"""Attachments that get their statements; more are only named."""
_TAG: Final = re.compile(r"^</?attachment\b[^\n]*>$", re.MULTILINE)
_QUOTE: Final = 120
_MATHS = re.compile(r"\b(formula|maths?|equation|latex|derive|theorem|integral)\b", re.IGNORECASE)
_DRAWN: Final = re.compile(r"\b(plot|figure|chart|curve|graph|line|bars?|picture|axis)\b", re.IGNORECASE)
_ABOUT_DATA: Final = re.compile(
    r"\b(data|table|rows?|columns?|values?|mean|median|average|highest|lowest|most|least|largest|smallest|trend|groups?|"
    r"outliers?|missing|correlat\w+|distribut\w+)\b",
    re.IGNORECASE,
)
_CHANGE: Final = re.compile(
    r"\AChange this cell of a Jupyter notebook\b.*?^The user asks: (?P<wish>.*?)\n\nThe cell:\n"
    r"(?P<fence>`{3,})python\n(?P<cell>.*)\n(?P=fence)$",
    re.DOTALL | re.MULTILINE,
)
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
        return (Think(f"The tools answered: {len(seen.results)} result(s). Time to report what came back."),)
    attached = [v.label for v in (*seen.frames, *seen.media, *seen.texts)]
    what = f"Attached: {', '.join(attached)}." if attached else "Nothing is attached."
    return (
        Think(
            f"The question is: {_quoted(seen.prompt)}. {what} I'll look for extremes, trends, gaps and groups."
        ),
    )


def _answer(body: Body, seen: Seen) -> Sequence[Piece]:
    form = (body.get("output_config") or {}).get("format")
    tools = [t for t in body.get("tools") or () if (t.get("type") or "custom") == "custom"]
    if working.offered(tools) and not form and (pieces := working.reply(body, WHO)):
        return pieces
    if asked := _CHANGE.search(seen.prompt):
        return (Say(_changed(asked["wish"], asked["cell"], asked["fence"])),)
    if not seen.results and (calls := _first_calls(body, seen, tools, bool(form))):
        names = ", ".join(f"`{name}`" for name in dict.fromkeys(c.name for c in calls))
        return (*(() if form else (Say(f"I'll look that up with {names}.\n"),)), *calls)
    if form:
        return (Say(json.dumps(fitting(form["schema"], _words(seen)), ensure_ascii=False)),)
    if any(str(t.get("type")).startswith("web_search") for t in body.get("tools") or ()):
        return _searched(seen)
    quotes = cited(body, seen.prompt)
    return (*quotes, Say(_described(seen, answered=bool(quotes))))


def _changed(wish: str, cell: str, fence: str) -> str:
    """The cell with a comment: what it is, the demo does not understand."""
    magic, line, rest = cell.partition("\n") if cell.startswith("%%") else ("", "", cell)
    note = f"# The offline demo cannot write code. Claude would do this here: {' '.join(wish.split())}"
    return f"{fence}python\n{magic}{line}{note}\n{rest}\n{fence}"


def _words(seen: Seen) -> Words:
    """What may fill a typed answer: quoted words and names of the question, else statements about what came with it."""
    words = Words(seen.prompt)
    if not words.texts:
        parts = _statements(seen.figures, seen.frames, seen.prompt)
        lines = [line for part in parts for line in part.splitlines() if line.startswith("- ")]
        words.texts = [line.removeprefix("- ").replace("`", "") for line in lines]
    return words


def _first_calls(body: Body, seen: Seen, tools: Sequence[Mapping[str, Any]], typed: bool) -> list[Call]:
    """The tools that a question calls: the user's own first, then those that look around."""
    looks = looking.offered(tools)
    apart = (working.TOOL, *(looking.NAMES if looks else ()))
    own = [t for t in tools if t["name"] not in apart]
    return _calls(body, seen, own) or (looking.calls(seen) if looks and not typed else [])


def _described(seen: Seen, *, answered: bool = False) -> str:
    parts = [_result(*result) for result in seen.results]
    texts = [text for text in seen.texts if text.kind != looking.KIND]
    new = bool(seen.frames or seen.figures or seen.media or texts or seen.results)
    if new:
        parts += _statements(seen.figures, seen.frames, seen.prompt)
        parts += _pictures(seen)
        parts += [part for text in texts for part in _text(text, seen)]
    elif not answered:
        parts += _from_before(seen)
    if _MATHS.search(seen.prompt):
        parts.append(_FORMULA)
    if cell := code_for(seen):
        fence = _fence(cell.text)
        parts.append(f"{cell.words}\n\n{fence}python\n{cell.text}\n{fence}")
    return "\n\n".join((*parts, WHO))


def _statements(drawn: Sequence[Figure], tables: Sequence[Frame], prompt: str) -> list[str]:
    parts = [part for figure in drawn[:_SAYING] for part in figures.sentences(figure)]
    parts += [part for frame in tables[:_SAYING] for part in profiles.sentences(frame, prompt)]
    left = [f.label for f in (*drawn[_SAYING:], *tables[_SAYING:])]
    return [*parts, f"Also sent: {listed(left)}."] if left else parts


def _pictures(seen: Seen) -> list[str]:
    """Pictures and documents that came without numbers."""
    drawn = {figure.label for figure in seen.figures}
    lines = [
        f"- {code(s.label)}, {_article(s.kind)}: {s.facts}" + (f"; {colors}" if (colors := s.colors) else "")
        for s in seen.media
        if s.label not in drawn
    ]
    return ["\n".join(lines)] if lines else []


def _text(text: Text, seen: Seen) -> list[str]:
    if text.kind == "error":
        found = diagnose(text.text, seen.labels_before)
        return [found.cause] if found else printed.sentences(text.label, text.text, seen.prompt)
    return printed.sentences(text.label, text.text, seen.prompt, printed=text.kind == "cell")


def _from_before(seen: Seen) -> list[str]:
    """What was sent earlier, where the question came alone; else that there is nothing to compute from."""
    drawn = list(seen.figures_before) if _DRAWN.search(seen.prompt) else []
    tables = [f for f in seen.before if f.label in seen.prompt or _names_column(f, seen.prompt)]
    if not (drawn or tables) and _ABOUT_DATA.search(seen.prompt):
        tables = list(seen.before)
    if not (drawn or tables):
        return _nothing_to_compute(seen)
    drawn, tables = drawn[:1], tables[:1]
    parts = [part for figure in drawn for part in figures.sentences(figure)]
    parts += [part for frame in tables for part in profiles.sentences(frame, seen.prompt, known=True)]
    return [f"From {listed([f.label for f in (*drawn, *tables)])}, sent earlier in this chat:", *parts]


def _nothing_to_compute(seen: Seen) -> list[str]:
    parts: list[str] = []
    if seen.earlier:
        count = len(seen.earlier)
        more = f" ({count} questions before this one)." if count > 1 else "."
        parts.append(f"Earlier in this chat you asked {_quoted(seen.earlier[-1])}{more}")
    came = "nothing"
    if seen.labels_before:
        came = f"nothing new to compute from ({listed(seen.labels_before)} came before)"
    parts.append(
        f"To answer {_quoted(seen.prompt)} takes knowledge, and the demo only computes: this question came with {came}."
    )
    parts.append(
        "Name a dataframe, a figure or a file after `%%claude`, or enter a key with `%claude_key` so that Claude answers."
    )
    return parts


def _names_column(frame: Frame, prompt: str) -> bool:
    return any(named_in(c.name, prompt) for c in frame.columns)


def _quoted(text: str) -> str:
    """The beginning of a text in quotation marks; its dollars are no formula (`$5 to $7`)."""
    line = " ".join(text.split())
    line = line if len(line) <= _QUOTE else line[: _QUOTE - 1].rstrip() + "…"
    return f"“{line.replace('$', chr(92) + '$')}”"


def _article(kind: str) -> str:
    return "an image" if kind == "image" else f"a {kind}"


def _result(name: str, text: str, failed: bool) -> str:
    """What a tool gave back, read back in a fence longer than any inside."""
    text = _TAG.sub("", text).strip("\n")
    fence = _fence(text)
    verb = "failed with" if failed else "returned"
    return f"The tool `{name}` {verb}:\n\n{fence}text\n{text[:2000]}\n{fence}"


def _fence(text: str) -> str:
    return "`" * max([3, *(len(run) + 1 for run in re.findall(r"`+", text))])


def _calls(body: Body, seen: Seen, tools: Sequence[Mapping[str, Any]]) -> list[Call]:
    choice = body.get("tool_choice") or {}
    kind = choice.get("type") or "auto"
    if not tools or kind == "none":
        return []
    if kind == "tool":
        chosen = [t for t in tools if t["name"] == choice["name"]]
    else:
        chosen = [t for t in tools if _meant(t, seen.prompt)] or (list(tools[:1]) if kind == "any" else [])
    words = Words(seen.prompt)
    calls: list[Call] = []
    for tool in chosen:
        calls.append(Call(tool["name"], fitting(tool["input_schema"], words)))
        # Two names in the question ("Paris and Rome") make two calls of one tool, in parallel.
        while len(chosen) == 1 and words.texts and len(calls) < 4 and tool["input_schema"].get("properties"):
            calls.append(Call(tool["name"], fitting(tool["input_schema"], words)))
    return calls[:1] if choice.get("disable_parallel_tool_use") else calls


def _meant(tool: Mapping[str, Any], prompt: str) -> bool:
    """Whether a word of the prompt is in the tool's name or description."""
    asked_words = set(re.findall(r"[a-z]{4,}", prompt.lower()))
    known = set(re.findall(r"[a-z]{4,}", f"{tool['name']} {tool.get('description') or ''}".lower()))
    return tool["name"].lower() in prompt.lower() or bool((asked_words & known) - _COMMON)


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
        Say(
            "The offline demo cannot search the web; to show what a search looks like, it made up one result: "
        ),
        Say("that page says it does not exist.", (citation,)),
        Say(f"\n\n{_described(seen)}"),
    )

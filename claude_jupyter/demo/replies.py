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
from claude_jupyter.demo.request_reader import ParsedRequest, Text, read
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
        request = read(body)
        script = Script(pieces=(*_thinking(body, request), *_answer(body, request)))
        return self._orders.apply(request.prompt, script, int(body.get("max_tokens") or 0))


def _thinking(body: Body, request: ParsedRequest) -> Sequence[Piece]:
    model = facts(str(body.get("model")))
    kind = (body.get("thinking") or {}).get("type") or ("disabled" if model.thinks == "off" else "adaptive")
    if kind == "disabled" or (kind == "between_tools" and not request.results):
        return ()
    if request.results:
        return (
            Think(f"The tools answered: {len(request.results)} result(s). Time to report what came back."),
        )
    attached = [v.label for v in (*request.frames, *request.media, *request.texts)]
    what = f"Attached: {', '.join(attached)}." if attached else "Nothing is attached."
    return (
        Think(
            f"The question is: {_quoted(request.prompt)}. {what} I'll look for extremes, trends, gaps and groups."
        ),
    )


def _answer(body: Body, request: ParsedRequest) -> Sequence[Piece]:
    form = (body.get("output_config") or {}).get("format")
    tools = [t for t in body.get("tools") or () if (t.get("type") or "custom") == "custom"]
    if working.offered(tools) and not form and (pieces := working.reply(body, WHO)):
        return pieces
    if match := _CHANGE.search(request.prompt):
        return (Say(_changed(match["wish"], match["cell"], match["fence"])),)
    if not request.results and (calls := _first_calls(body, request, tools, bool(form))):
        names = ", ".join(f"`{name}`" for name in dict.fromkeys(c.name for c in calls))
        return (*(() if form else (Say(f"I'll look that up with {names}.\n"),)), *calls)
    if form:
        return (Say(json.dumps(fitting(form["schema"], _words(request)), ensure_ascii=False)),)
    if any(str(t.get("type")).startswith("web_search") for t in body.get("tools") or ()):
        return _searched(request)
    quotes = cited(body, request.prompt)
    return (*quotes, Say(_described(request, answered=bool(quotes))))


def _changed(wish: str, cell: str, fence: str) -> str:
    """The cell with a comment: what it is, the demo does not understand."""
    magic, line, rest = cell.partition("\n") if cell.startswith("%%") else ("", "", cell)
    note = f"# The offline demo cannot write code. Claude would do this here: {' '.join(wish.split())}"
    return f"{fence}python\n{magic}{line}{note}\n{rest}\n{fence}"


def _words(request: ParsedRequest) -> Words:
    """What may fill a typed answer: quoted words and names of the question, else statements about what came with it."""
    words = Words(request.prompt)
    if not words.texts:
        parts = _statements(request.figures, request.frames, request.prompt)
        lines = [line for part in parts for line in part.splitlines() if line.startswith("- ")]
        words.texts = [line.removeprefix("- ").replace("`", "") for line in lines]
    return words


def _first_calls(
    body: Body, request: ParsedRequest, tools: Sequence[Mapping[str, Any]], typed: bool
) -> list[Call]:
    """The tools that a question calls: the user's own first, then those that look around."""
    looks = looking.offered(tools)
    apart = (working.TOOL, *(looking.NAMES if looks else ()))
    own = [t for t in tools if t["name"] not in apart]
    return _calls(body, request, own) or (looking.calls(request) if looks and not typed else [])


def _described(request: ParsedRequest, *, answered: bool = False) -> str:
    parts = [_result(*result) for result in request.results]
    texts = [text for text in request.texts if text.kind != looking.KIND]
    new = bool(request.frames or request.figures or request.media or texts or request.results)
    if new:
        parts += _statements(request.figures, request.frames, request.prompt)
        parts += _pictures(request)
        parts += [part for text in texts for part in _text(text, request)]
    elif not answered:
        parts += _from_before(request)
    if _MATHS.search(request.prompt):
        parts.append(_FORMULA)
    if cell := code_for(request):
        fence = _fence(cell.text)
        parts.append(f"{cell.words}\n\n{fence}python\n{cell.text}\n{fence}")
    return "\n\n".join((*parts, WHO))


def _statements(drawn: Sequence[Figure], tables: Sequence[Frame], prompt: str) -> list[str]:
    parts = [part for figure in drawn[:_SAYING] for part in figures.sentences(figure)]
    parts += [part for frame in tables[:_SAYING] for part in profiles.sentences(frame, prompt)]
    rest = [f.label for f in (*drawn[_SAYING:], *tables[_SAYING:])]
    return [*parts, f"Also sent: {listed(rest)}."] if rest else parts


def _pictures(request: ParsedRequest) -> list[str]:
    """Pictures and documents that came without numbers."""
    drawn = {figure.label for figure in request.figures}
    lines = [
        f"- {code(s.label)}, {_article(s.kind)}: {s.facts}" + (f"; {colors}" if (colors := s.colors) else "")
        for s in request.media
        if s.label not in drawn
    ]
    return ["\n".join(lines)] if lines else []


def _text(text: Text, request: ParsedRequest) -> list[str]:
    if text.kind == "error":
        diagnosis = diagnose(text.text, request.labels_before)
        return [diagnosis.cause] if diagnosis else printed.sentences(text.label, text.text, request.prompt)
    return printed.sentences(text.label, text.text, request.prompt, printed=text.kind == "cell")


def _from_before(request: ParsedRequest) -> list[str]:
    """What was sent earlier, where the question came alone; else that there is nothing to compute from."""
    drawn = list(request.figures_before) if _DRAWN.search(request.prompt) else []
    tables = [f for f in request.before if f.label in request.prompt or _names_column(f, request.prompt)]
    if not (drawn or tables) and _ABOUT_DATA.search(request.prompt):
        tables = list(request.before)
    if not (drawn or tables):
        return _nothing_to_compute(request)
    drawn, tables = drawn[:1], tables[:1]
    parts = [part for figure in drawn for part in figures.sentences(figure)]
    parts += [
        part for frame in tables for part in profiles.sentences(frame, request.prompt, sent_before=True)
    ]
    return [f"From {listed([f.label for f in (*drawn, *tables)])}, sent earlier in this chat:", *parts]


def _nothing_to_compute(request: ParsedRequest) -> list[str]:
    parts: list[str] = []
    if request.earlier:
        count = len(request.earlier)
        more = f" ({count} questions before this one)." if count > 1 else "."
        parts.append(f"Earlier in this chat you asked {_quoted(request.earlier[-1])}{more}")
    came = "nothing"
    if request.labels_before:
        came = f"nothing new to compute from ({listed(request.labels_before)} came before)"
    parts.append(
        f"To answer {_quoted(request.prompt)} takes knowledge, and the demo only computes: this question came with {came}."
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


def _calls(body: Body, request: ParsedRequest, tools: Sequence[Mapping[str, Any]]) -> list[Call]:
    choice = body.get("tool_choice") or {}
    kind = choice.get("type") or "auto"
    if not tools or kind == "none":
        return []
    if kind == "tool":
        chosen = [t for t in tools if t["name"] == choice["name"]]
    else:
        chosen = [t for t in tools if _meant(t, request.prompt)] or (list(tools[:1]) if kind == "any" else [])
    words = Words(request.prompt)
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
    tool_words = set(re.findall(r"[a-z]{4,}", f"{tool['name']} {tool.get('description') or ''}".lower()))
    return tool["name"].lower() in prompt.lower() or bool((asked_words & tool_words) - _COMMON)


_COMMON: Final = frozenset(
    (
        "this", "that", "with", "from", "what", "when", "where", "which", "have", "does", "return", "returns",
        "given", "tell", "show", "value", "the",
    )
)  # fmt: skip


def _searched(request: ParsedRequest) -> Sequence[Piece]:
    query = " ".join(re.findall(r"\w+", request.prompt)[:12]) or "claude-jupyter"
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
        Say(f"\n\n{_described(request)}"),
    )

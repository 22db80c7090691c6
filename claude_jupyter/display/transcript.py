"""A conversation shown in a cell: questions, answers, and what each turn cost."""

from __future__ import annotations

from typing import Any

from claude_jupyter.answer.model import Turn
from claude_jupyter.costs.usage import Cost, Usage, dollars
from claude_jupyter.display.bundle import from_cache
from claude_jupyter.display.inert import apart, harmless, inert_parts, literal
from claude_jupyter.display.structured.readable import readable

_LONGEST_PROMPT = 600


def transcript(
    name: str, turns: tuple[Turn, ...], usage: Usage, cost: Cost, *, file: bool = False
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The mimebundle of a conversation: Markdown and plain text.

    Parameters
    ----------
    usage, cost
        Of everything asked in this chat, including what was stopped, replaced or undone.
    file
        Whether it is written to a file: then text outside the answers is kept as is if nothing in it is dangerous.
    """
    words = harmless if file else _literal
    if not turns:
        text = f"The chat {name} is empty. Ask with %%claude, or claude.ask(…)."
        return {"text/markdown": f"*{text}*", "text/plain": text}, {}
    plain: list[str] = []
    marked: list[str] = []
    # Made inert together: what one answer leaves open must not reach the next.
    answers = inert_parts(
        [t.answer.text if t.answer.value is None else readable(t.answer.text) for t in turns]
    )
    for number, (turn, answer) in enumerate(zip(turns, answers, strict=True), 1):
        if turn.starts and number > 1:
            marked.append("---\n*New conversation: the turns above are no longer sent.*")
            plain.append("-- new conversation: the turns above are no longer sent --")
        facts = _facts(turn, name)
        question = _shortened(turn.prompt)
        quoted = "\n".join(f"> {line}" for line in words(question).splitlines())
        marked.append(
            f"**{number}** · {words(facts) if file else f'*{words(facts)}*'}\n\n{quoted}\n\n{answer}"
        )
        plain.append(f"[{number}] {facts}\nYou: {question}\nClaude: {turn.answer.text}")
    total = _total(name, turns, usage, cost)
    marked.append(f"---\n\n{words(total)}" if file else f"---\n*{words(total)}*")
    plain.append(total)
    return {"text/markdown": "\n\n".join(marked), "text/plain": "\n\n".join(plain)}, {}


def _total(name: str, turns: tuple[Turn, ...], usage: Usage, cost: Cost) -> str:
    """What the chat used and cost, and what of it the turns above do not list."""
    count = f"{len(turns)} turn{'' if len(turns) == 1 else 's'}"
    answers = [t.answer for t in turns if t.answer.chat == name]
    billed = [a.cost for a in answers if a.billed]
    demo = Cost.total(a.cost for a in answers if not a.billed)
    listed = Cost.total(billed) if any(billed) else demo
    total = f"{count} · {usage.total:,} tokens · {dollars(cost, estimated=cost.estimated)}"
    if cost > listed:
        total += f", {dollars(cost - listed)} of it outside of these turns (map, summaries, replaced and undone answers, a cache kept warm)"
    if any(billed) and demo:
        total += f" · the demo model would have cost {dollars(demo)}, nothing billed"
    if cost.saved > 0:
        total += f" · caching saved {dollars(cost.saved)}"
    return total


def _literal(text: str) -> str:
    return apart("\n".join(literal(line) for line in text.splitlines()))


def _facts(turn: Turn, name: str) -> str:
    answer = turn.answer
    labels = [a.label for a in answer.attachments]
    parts = [
        answer.model,
        *labels,
        f"{answer.usage.total:,} tokens",
        *filter(None, [from_cache(answer)]),
        dollars(answer.cost, estimated=answer.estimated),
        *(["demo, nothing billed"] if answer.provider == "demo" else []),
        *([f"counted in chat {answer.chat}"] if answer.chat != name else []),
        *(["not complete"] if not answer.complete else []),
        *(["hidden"] if turn.hidden else []),
        *(["cell deleted, not sent"] if turn.deleted else []),
    ]
    return " · ".join(parts)


def _shortened(prompt: str) -> str:
    return prompt if len(prompt) <= _LONGEST_PROMPT else f"{prompt[:_LONGEST_PROMPT]} …"

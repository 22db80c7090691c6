"""A conversation shown in a cell: who asked what, what came, what each turn cost."""

from __future__ import annotations

from typing import Any

from claude_jupyter.costs.usage import Cost, Usage, dollars
from claude_jupyter.display.bundle import from_cache
from claude_jupyter.display.inert import apart, inert_parts, literal
from claude_jupyter.display.structured import readable
from claude_jupyter.turns import Turn

_LONGEST_PROMPT = 600


def transcript(
    name: str, turns: tuple[Turn, ...], usage: Usage, cost: Cost
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The mimebundle of a conversation: Markdown and plain text.

    Parameters
    ----------
    usage, cost
        Of everything asked in this chat, also what was stopped, replaced or undone.
    """
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
            marked.append("---\n*Begun afresh: the turns above are not sent any more.*")
            plain.append("-- begun afresh: the turns above are not sent any more --")
        facts = _facts(turn)
        question = _shortened(turn.prompt)
        quoted = apart("\n".join(f"> {literal(line)}" for line in question.splitlines()))
        marked.append(f"**{number}** · *{apart(literal(facts))}*\n\n{quoted}\n\n{answer}")
        plain.append(f"[{number}] {facts}\nYou: {question}\nClaude: {turn.answer.text}")
    count = f"{len(turns)} turn{'' if len(turns) == 1 else 's'}"
    total = f"{count} · {usage.total:,} tokens · {dollars(cost, estimated=cost.estimated)}"
    if cost.saved > 0:
        total += f" · caching saved {dollars(cost.saved)}"
    marked.append(f"---\n*{apart(literal(total))}*")
    plain.append(total)
    return {"text/markdown": "\n\n".join(marked), "text/plain": "\n\n".join(plain)}, {}


def _facts(turn: Turn) -> str:
    answer = turn.answer
    shown = [a.label for a in answer.attachments]
    parts = [
        answer.model,
        *shown,
        f"{answer.usage.total:,} tokens",
        *filter(None, [from_cache(answer)]),
        dollars(answer.cost, estimated=answer.estimated),
        *(["demo, nothing billed"] if answer.provider == "demo" else []),
        *(["not complete"] if not answer.complete else []),
        *(["hidden"] if turn.hidden else []),
    ]
    return " · ".join(parts)


def _shortened(prompt: str) -> str:
    return prompt if len(prompt) <= _LONGEST_PROMPT else f"{prompt[:_LONGEST_PROMPT]} …"

"""Claude works in cells: one proposal at a time, nothing runs that was not approved, and the work ends in one clear line."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import pytest

from claude_jupyter.answer.model import Answer
from claude_jupyter.content.cells.cell_records import Cell
from claude_jupyter.content.rules import Rules
from claude_jupyter.conversation.work.proposal import ProposalError, code_of, proposed, title_of
from claude_jupyter.conversation.work.step_result import Outcome, outcome_attachment
from claude_jupyter.conversation.work.work import CannotRunError, Reply, Step, Work
from claude_jupyter.kernel.checkpoint import Changes
from claude_jupyter.kernel.effects import Effects, effects_of

IDS = itertools.count(1)


def call(code: str = "x = 1", title: str = "a step", **more: Any) -> dict[str, Any]:
    return {
        "type": "tool_use",
        "id": f"c{next(IDS)}",
        "name": "run_cell",
        "input": {"title": title, "code": code, **more},
    }


def answer(*calls: dict[str, Any], complete: bool = True, cost: str = "0.01") -> Answer:
    message = {
        "content": [{"type": "text", "text": "So."}, *calls],
        "stop_reason": "tool_use" if calls else "end_turn",
    }
    return Answer(
        id=f"a{next(IDS)}",
        chat="main",
        turn=1,
        model="m",
        provider="anthropic",
        complete=complete,
        message=message,
        cost=Decimal(cost),  # pyright: ignore
    )


class Fake:
    """A scripted model and executor: answers in order, outcomes in order (None: the cell waits)."""

    def __init__(
        self, answers: Sequence[Answer], outcomes: Sequence[Outcome | Exception | None] = (), **words: Any
    ) -> None:
        self.answers, self.outcomes = list(answers), list(outcomes)
        self.replies: list[Reply] = []
        self.proposals: list[Step] = []
        self.words: list[str] = []
        self.work = Work(self.ask, self, self.examine, ended=self.words.append, **words)

    def ask(self, reply: Reply) -> Answer:
        self.replies.append(reply)
        return self.answers.pop(0)

    def run(self, step: Step) -> Outcome | None:
        self.proposals.append(step)
        outcome = self.outcomes.pop(0) if self.outcomes else None
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def examine(self, code: str) -> tuple[Effects, tuple[str, ...]]:
        return effects_of(code, {"model": object()}), ("model",)


def ran(error: BaseException | None = None, edited: str = "") -> Outcome:
    return Outcome(Cell("x = 1"), error, edited)


def test_a_proposal_waits_and_goes_on_when_it_has_run() -> None:
    fake = Fake([answer()])
    fake.work.advance(answer(call()))
    assert fake.work.pending is not None and not fake.replies
    fake.work.ran(ran(), "cell-1")
    assert fake.work.over and fake.words == [""]
    (done,) = fake.work.steps
    assert (done.approval, done.cell) == ("run", "cell-1")
    assert fake.replies[0].opening[0]["title"] == "a step"


def test_what_the_user_edited_is_told_as_edited() -> None:
    fake = Fake([answer()])
    fake.work.advance(answer(call()))
    fake.work.ran(ran(edited="x = 2"), "cell-1")
    assert fake.work.steps[0].to_block()["approval"] == "edited"
    assert fake.work.steps[0].to_block()["code"] == "x = 2"


def test_only_cells_that_read_and_add_run_by_themselves() -> None:
    for code, automatic in (("x = 1", True), ("import os; os.remove('f')", False)):
        fake = Fake([answer()], auto=True)
        fake.work.advance(answer(call(code)))
        assert fake.proposals[0].automatic is automatic
    fake = Fake([answer()], auto=True, each=True)
    fake.work.advance(answer(call("x = 1")))
    assert not fake.proposals[0].automatic


def test_a_cell_ran_by_itself_only_where_the_page_put_it_in() -> None:
    for placed, approval in (
        ("cell-1", "auto"),
        (None, "run"),
    ):  # elsewhere it is the next input, which the user runs
        fake = Fake([answer()], auto=True)
        fake.work.advance(answer(call("x = 1")))
        fake.work.cell = placed
        fake.work.ran(ran(), "cell-1")
        assert fake.work.steps[0].approval == approval


def test_what_no_undo_brings_back_names_files_first() -> None:
    codes = (
        "import requests\nrequests.post('https://e.org')",
        "open('a.txt', 'w').write('a')",
        "open('b.txt').read()",
    )
    fake = Fake([*(answer(call(code)) for code in codes[1:]), answer()], [ran() for _ in codes])
    fake.work.advance(answer(call(codes[0])))
    assert fake.work.beyond(3) == ("a.txt", "post https://e.org")


def test_headless_steps_follow_each_other() -> None:
    fake = Fake([answer(call("y = 1")), answer()], [ran(), ran()], auto=True)
    fake.work.advance(answer(call("x = 1")))
    assert [d.approval for d in fake.work.steps] == ["auto", "auto"] and fake.work.over


def test_where_nobody_can_run_it_the_work_ends_in_one_line() -> None:
    fake = Fake([], [CannotRunError("Step 1 would write out.csv.")], auto=True)
    fake.work.advance(answer(call("open('x', 'w')")))
    assert fake.words == ["Step 1 would write out.csv."] and not fake.replies


def test_two_calls_in_one_reply_are_one_proposal() -> None:
    fake = Fake([answer()], [ran()])
    fake.work.advance(answer(call("x = 1"), call("y = 1")))
    assert len(fake.proposals) == 1
    assert any("One cell at a time" in str(text) for text in fake.replies[0].results.values())


def test_a_failed_cell_is_corrected_three_times_at_most() -> None:
    fake = Fake([answer(call()) for _ in range(9)], [ran(ValueError("no")) for _ in range(9)])
    fake.work.advance(answer(call()))
    assert (len(fake.work.steps) == 4 and "corrections" in fake.words[0]) or "in a row" in fake.words[0]
    assert [d.step.replaces for d in fake.work.steps] == [0, 1, 2, 3]


def test_skipping_with_a_word_tells_claude() -> None:
    fake = Fake([])
    fake.work.advance(answer(call()))
    reply = fake.work.skipped("use the median")
    assert "use the median" in str(next(iter(reply.results.values())))
    assert fake.work.steps[0].to_block()["approval"] == "skipped"


def test_an_interrupt_while_the_cell_ran_ends_the_work_and_asks_nothing() -> None:
    fake = Fake([answer()])
    fake.work.advance(answer(call()))
    fake.work.ran(ran(KeyboardInterrupt()), "c")
    assert fake.work.over and not fake.replies and fake.words[0].startswith("Stopped")


def test_it_ends_after_so_many_steps_and_when_it_has_cost_too_much() -> None:
    fake = Fake([answer(call()) for _ in range(9)], [ran() for _ in range(9)], most=2)
    fake.work.advance(answer(call()))
    assert len(fake.work.steps) == 2 and "max_steps" in fake.words[0]
    dear = Fake(
        [answer(call(), cost="0.6")], [ran(), ran()], may_spend=lambda cost: "too much" if cost > 1 else ""
    )
    dear.work.advance(answer(call(), cost="0.6"))
    assert dear.words == ["too much"] and len(dear.work.steps) == 2


@pytest.mark.parametrize(
    ("steps", "lost"),
    [
        (["model = 1"], ()),
        (["model.clear()"], ("model",)),
        (["model = 1", "model.clear()"], ()),
        (["model.clear()", "model = 1"], ("model",)),
        (["exec('x')"], ()),
    ],
)
def test_only_what_was_changed_in_place_is_lost(steps: list[str], lost: tuple[str, ...]) -> None:
    rebound = Changes(changed={"model": ("Model", "int")}, rebound=frozenset({"model"}))
    fake = Fake([answer() for _ in steps])
    for code in steps:
        fake.work.advance(answer(call(code)))
        fake.work.over = False
        fake.work.ran(Outcome(Cell(code), changes=rebound if "=" in code else Changes()), None)
        fake.work.over = False
    assert fake.work.lost(len(steps)) == lost


def test_what_an_edited_cell_does_is_looked_at_again() -> None:
    fake = Fake([])
    fake.work.advance(answer(call("y = 1")))
    step = fake.work.edited("model.clear()\nopen('out.csv', 'w')")
    assert fake.work.pending is step and step.undoable == ("model",)
    assert step.line == "reads model · changes model · writes out.csv · cannot be undone: model"


def test_an_answer_that_broke_off_ends_the_work() -> None:
    fake = Fake([])
    fake.work.advance(answer(call(), complete=False))
    assert fake.work.over and not fake.proposals


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({"title": "t", "code": ""}, "empty"),
        ({"title": "t", "code": "# only a comment"}, "only comments"),
        ({"title": "t", "code": "no python here"}, "not Python"),
        ({"title": "t", "code": "x = 1\n" * 10_000}, "characters"),
        ({"title": "t", "code": "%%bash\nls"}, "Cell magics"),
        ({"title": "t", "code": "x = input('?')"}, "wait for the user"),
        ({"title": "t", "code": "exit()"}, "end the kernel"),
        ({"title": "t", "code": "import sys; sys.exit(1)"}, "end the kernel"),
        ({"title": "t", "code": "claude = 5"}, "name claude"),
        ({"title": "t", "code": "del claude"}, "name claude"),
        ({"title": "t", "code": "def claude(): pass"}, "name claude"),
        ({"title": "t", "code": "class claude: pass"}, "name claude"),
        ({"title": "t", "code": "import pandas as claude"}, "name claude"),
        ({"title": "t", "code": "from math import pi as claude"}, "name claude"),
        ({"title": "t", "code": "try: pass\nexcept ValueError as claude: pass"}, "name claude"),
        ({"title": "t", "code": "match 1:\n    case claude: pass"}, "name claude"),
        ({"title": "t", "code": "with open('x') as claude: pass"}, "name claude"),
        ({"title": "t", "code": "x" * 5_000_000}, "5,000,000 characters"),
        ({"title": "t", "code": "%unload_ext claude_jupyter"}, "extension"),
        ({"title": "t", "code": "%reload_ext claude_jupyter"}, "extension"),
        ({"title": "t", "code": "%claude do it"}, "cannot ask Claude"),
        ({"title": "t", "code": "get_ipython().kernel.do_shutdown(True)"}, "restart the kernel"),
        ({"title": "t"}, "both as text"),
        ({"title": "t", "code": 5}, "both as text"),
        ({"title": "t", "code": "x", "cell": 3}, "'cell' is not one"),
        (["title"], "not valid JSON"),
        ({"title": "t", "code": "return 5"}, "not Python"),
        ({"title": "t", "code": "x = (1"}, "not Python"),
    ],
)  # fmt: skip
def test_what_is_no_cell_is_told_to_claude_in_one_line(given: Any, reason: str) -> None:
    with pytest.raises(ProposalError, match=reason):
        proposed({"id": "c", "input": given})


def test_a_proposal_that_cannot_stand_is_corrected_by_claude() -> None:
    fake = Fake([answer(call("x = 1"))])
    fake.work.advance(answer(call("not python at all")))
    assert "not Python" in str(next(iter(fake.replies[0].results.values())))
    assert fake.work.pending is not None


def test_a_proposed_cell_says_who_wrote_it() -> None:
    proposal = proposed(call("x = 1", "rain in  the\nsummers"))
    assert proposal.source == "# Claude: rain in the summers\nx = 1"
    assert title_of(proposal.source) == "rain in the summers" and title_of("x = 1") is None
    assert code_of(proposal.source) == "x = 1"
    assert proposed(call("# Claude: again\ny = 1")).code == "y = 1"


@pytest.mark.parametrize(
    "code", ["%time x = 1", "!ls", "%pip install x", "await f()", "df.head?", "files = !ls"]
)
def test_magics_shell_lines_and_await_can_be_proposed(code: str) -> None:
    assert proposed(call(code)).code == code


def test_under_rows_none_no_value_of_a_step_leaves() -> None:
    cell = Cell("x", text="canary-1\n", error="ValueError: canary-2", error_name="ValueError")
    attachment = outcome_attachment(Outcome(cell, ValueError("canary-3")), 1, Rules(rows="none"))
    text = str(attachment.blocks)
    assert "canary" not in text and "ValueError" in text and "printed 1 line," in text
    assert "canary-1" in str(outcome_attachment(Outcome(cell), 1, Rules()).blocks)

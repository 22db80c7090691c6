"""What `claude.map` says a list of rows will cost, before it is paid and on the way, and what budgets make of it."""

from __future__ import annotations

import itertools
import random
import re
from decimal import Decimal

import pandas as pd
import pytest
from support.world import stage

from claude_jupyter.costs.ledger.calls import Where
from claude_jupyter.demo.script import Script
from claude_jupyter.errors import BudgetError


def text(body):
    return body["messages"][-1]["content"][-1]["text"]


def test_what_is_likely_to_cost_more_than_confirm_above_is_asked_first():
    asked = []
    with stage("a") as s:
        s.settings.confirm_above = 0.01
        s.env.frontend.confirm = lambda question: asked.append(question)
        with pytest.raises(BudgetError, match="confirm_above"):
            s.claude.map([str(n) for n in range(50)], "{value}?")
        s.env.frontend.confirm = lambda question: asked.append(question) or False
        with pytest.raises(BudgetError, match="as you chose"):
            s.claude.map([str(n) for n in range(50)], "{value}?")
        assert not s.bodies and "50 requests" in asked[0] and "$" in asked[0]
        s.env.frontend.confirm = lambda question: True
        assert len(s.claude.map([str(n) for n in range(50)], "{value}?")) == 50


def announced(shown):
    """What was said that the rest will cost."""
    return Decimal(re.search(r"other \d+ will cost about \$(\d+\.\d+)", " ".join(map(str, shown)))[1])


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param([f"Fine, number {n}." for n in range(300)], id="short rows"),
        pytest.param(["word " * (n * 7 % 300) for n in range(120)], id="rows of all lengths"),
        pytest.param(sorted(("word " * (n * 7 % 300) for n in range(120)), key=len), id="sorted by length"),
    ],
)
@pytest.mark.parametrize("words", [1, 40])
def test_the_price_said_after_a_few_rows_is_right_within_a_factor_of_two(rows, words):
    shown = []
    with stage("good " * words) as s:
        s.env.frontend.show = shown.append
        s.claude.map(rows, "Is this good? {value}")
        first = sum(r["cost_usd"] is not None for r in itertools.islice(s.ledger.rows(Where()), 8))
        told, rest = announced(shown), s.claude.cost
        assert first == 8 and rest / 2 < told < rest * 2


def numbered(body):
    """The number that a row of `SHAPES` begins with."""
    return int(re.search(r"#(\d+)", text(body))[1])


def words(count):
    return "word " * count


def by_chance(seed):
    return int(random.Random(seed).lognormvariate(3, 1))


FRAME = pd.DataFrame({"n": [f"#{n}" for n in range(60)], "t": [words(n % 50) for n in range(60)]})
SHAPES = {
    "the first are long": ([f"#{n} {words(600 if n < 12 else 5)}" for n in range(120)], words(10)),
    "some are very long": ([f"#{n} {words(800 if n % 20 == 0 else 8)}" for n in range(160)], words(8)),
    "lengths by chance": ([f"#{n} {words(by_chance(n))}" for n in range(160)], lambda body: words(by_chance(-numbered(body)))),
    "answers as long as rows": ([f"#{n} {words(n * 13 % 200)}" for n in range(100)], lambda body: "said " * (len(text(body)) // 10)),
    "answers of two kinds": ([f"#{n}" for n in range(100)], lambda body: words(150) if numbered(body) % 2 else "no"),
    "every tenth answer is long": ([f"#{n}" for n in range(80)], lambda body: words(200 if numbered(body) % 10 == 0 else 20)),
    "thinking": ([f"#{n}" for n in range(60)], lambda body: Script(text="yes", thinking="hm " * (numbered(body) % 40))),
    "another script": ([f"#{n} {'数据分析' * (n % 60)}" for n in range(80)], "好的 " * 20),
    "a frame": (FRAME, lambda body: words(numbered(body) % 30)),
    "nine rows": ([f"#{n} {words(n * 30)}" for n in range(9)], words(20)),
}  # fmt: skip


@pytest.mark.parametrize(("rows", "reply"), SHAPES.values(), ids=SHAPES)
def test_the_price_said_is_right_whatever_the_rows_are_like(rows, reply):
    shown = []
    with stage(reply) as s:
        s.env.frontend.show = shown.append
        s.claude.map(rows, "{n} {t}?" if rows is FRAME else "{value}?")
        first = int(re.search(r"(\d+) of \d+ rows cost", " ".join(map(str, shown)))[1])
        rest = sum(Decimal(r["cost_usd"]) for r in itertools.islice(s.ledger.rows(Where()), first, None))
        assert rest / 2 < announced(shown) < rest * 2


def test_what_all_rows_share_is_read_from_the_cache_and_said_so():
    shown = []
    with stage("good") as s:
        s.env.frontend.show = shown.append
        s.claude.map([f"Row {n}" for n in range(60)], "The rules: " + "be fair. " * 3000)
        assert s.claude.usage.cache_read and s.claude.cost / 2 < announced(shown) < s.claude.cost * 2


def test_the_rest_is_asked_about_at_its_price_and_not_at_the_longest_answers():
    asked = []
    with stage("word " * 100) as s:
        s.settings.confirm_above = 0.2
        s.env.frontend.confirm = lambda question: asked.append(question) or len(asked) > 1
        rows = [str(n) for n in range(300)]
        with pytest.raises(BudgetError, match="as you chose"):
            s.claude.map(rows, "{value}?")
        assert 1 <= len(s.bodies) <= 8, "only the few that tell the price"
        assert s.claude.map(rows, "{value}?")[0].startswith("word") and len(s.bodies) == 300
        assert [re.search("cost about", q) is not None for q in asked] == [True, True]


def test_none_never_asks():
    with stage("a") as s:
        s.settings.confirm_above = None
        s.env.frontend.confirm = pytest.fail
        assert len(s.claude.map([str(n) for n in range(20)], "{value}?")) == 20
        assert s.claude.ask("Why?").complete


def test_answers_that_turn_out_dear_are_asked_about_on_the_way():
    asked = []

    def confirm(question):
        asked.append(question)
        return False

    numbers = itertools.count()
    with stage(lambda _body: "word" if next(numbers) < 8 else "word " * 2000) as s:
        s.settings.confirm_above = 0.5
        s.env.frontend.confirm = confirm
        with pytest.raises(BudgetError, match=r"\d+ of 100 rows are answered"):
            s.claude.map([str(n) for n in range(100)], "{value}?", limit=5)
        assert "of 100 rows cost" in asked[0] and 20 <= len(s.bodies) < 60


def test_a_budget_ends_it_and_what_is_done_is_kept():
    with stage("word " * 600) as s:
        s.settings.budget = 0.45
        s.settings.confirm_above = 1e9
        with pytest.raises(BudgetError, match="are answered"):
            s.claude.map([str(n) for n in range(100)], "{value}?", max_tokens=2000)
        assert 0.3 < s.claude.cost <= Decimal("0.45")


def test_a_budget_that_cannot_hold_it_is_said_before_anything_is_sent():
    with stage("a") as s:
        s.settings.budget = 0.01
        with pytest.raises(BudgetError, match="Not sent"):
            s.claude.map(["x" * 3000] * 5 + [f"y{n}" * 2000 for n in range(50)], "{value}?")
        assert not s.bodies

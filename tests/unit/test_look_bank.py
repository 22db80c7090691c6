"""A bank of 324 questions on twelve frames and 176 on 44 figures: how many a reader without a model answers from what is sent."""

from __future__ import annotations

import json
import statistics
import warnings
from collections import Counter
from collections.abc import Mapping

import pytest
from support import bank, bank_reader, bank_senders, figure_bank
from support.figure_reader import series_in

from claude_jupyter.content.text.token_estimate import tokens_of_text
from claude_jupyter.kernel.inventory import inventory
from claude_jupyter.kernel.look.offered import OWN
from claude_jupyter.kernel.look.tool import Here, definition


@pytest.fixture(scope="module")
def here() -> Here:
    return Here(namespace=bank.namespace(), rules=bank_senders.RULES)


@pytest.fixture(scope="module")
def profiles(here: Here) -> dict[str, str]:
    return bank_senders.profiles(here.namespace)


@pytest.fixture(scope="module")
def figures() -> dict[str, tuple[str, figure_bank.Expected]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return bank_senders.figures()


def share(found: list[bool]) -> float:
    return sum(found) / len(found)


def answered(texts: Mapping[str, str]) -> float:
    said = {name: bank_reader.read(text) for name, text in texts.items()}
    return share(
        [
            bank_reader.is_right(bank_reader.from_text(question, said[question.frame]), question.answer)
            for question in bank.questions()
        ]
    )


def test_the_bank_covers_every_kind_of_question() -> None:
    questions = bank.questions()
    assert (
        len(questions) >= 120 and len({q.frame for q in questions}) == 12 and len(figure_bank.FIGURES) >= 40
    )
    assert set(Counter(q.topic for q in questions)) == set(bank.TOPICS)
    assert not any(q.answer is None or q.answer != q.answer for q in questions)


def test_the_profile_alone_answers_at_least_45_percent(profiles: dict[str, str]) -> None:
    assert answered(profiles) >= 0.45


def test_what_others_send_answers_fewer(profiles: dict[str, str]) -> None:
    ours = answered(profiles)
    assert answered(bank_senders.described()) < 0.75 * ours
    assert answered(bank_senders.printed()) < 0.25 * ours


def test_with_tools_at_least_98_percent_are_answered_within_1_500_tokens(
    here: Here, profiles: dict[str, str]
) -> None:
    offered = tokens_of_text(json.dumps([definition(tool) for tool in OWN])) + inventory(here).tokens
    query = bank_senders.asks(here)
    wrong: list[str] = []
    tokens: list[int] = []
    for question in bank.questions():
        used = offered + tokens_of_text(profiles[question.frame]) + tokens_of_text(question.text)
        given = bank_reader.from_text(question, bank_reader.read(profiles[question.frame]))
        if given is None:
            given = bank_reader.from_query(question, query)
            used += tokens_of_text(query(question.sql)) + tokens_of_text(question.sql)
        if not bank_reader.is_right(given, question.answer):
            wrong.append(f"{question.frame}: {question.text} {question.answer}, answered {given}")
        tokens.append(used)
    assert len(wrong) <= 0.02 * len(tokens), wrong
    assert statistics.median(tokens) <= 1500


def test_95_percent_of_the_series_of_figures_are_recovered_to_three_digits_within_300_tokens(
    figures: dict[str, tuple[str, figure_bank.Expected]],
) -> None:
    found: list[bool] = []
    for text, drawn in figures.values():
        assert tokens_of_text(text) <= 300
        read = {series.label: series.y for series in series_in(text)}
        for label, values in drawn.items():
            ys = [float(y) for y in read.get(label, ())]
            found.append(
                len(ys) == len(values)
                and all(figure_bank.to_three_digits(y, value) for y, value in zip(ys, values, strict=True))
            )
    assert len(found) >= 80 and share(found) >= 0.95


def test_98_percent_of_the_questions_on_figures_are_answered_from_their_numbers(
    figures: dict[str, tuple[str, figure_bank.Expected]],
) -> None:
    wrong: list[str] = []
    count = 0
    for name, (text, drawn) in figures.items():
        for question in figure_bank.questions(name, drawn):
            count += 1
            given = figure_bank.answered(question, series_in(text))
            if not figure_bank.to_three_digits(given, question.answer):
                wrong.append(f"{name}: {question.text} {question.answer}, answered {given}")
    assert count >= 160 and len(wrong) <= 0.02 * count, wrong

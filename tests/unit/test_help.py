"""What `--help` and `%claude?` tell: everything in the table, in its groups, readable in a narrow cell."""

from __future__ import annotations

import re

from claude_jupyter.magics import help
from claude_jupyter.magics.line.parse import parse_cell, parse_line
from claude_jupyter.options import OPTIONS


def test_every_option_is_told_once_with_its_help():
    text = help.text()
    flat = " ".join(text.split())
    for option in OPTIONS:
        assert len(re.findall(rf"^  (?:-\w, )?{option.flag}(?= |$)", text, re.MULTILINE)) == 1
        assert help.signature(option) in text
        assert " ".join(option.help.split()) in flat


def test_the_groups_of_the_contract_stand_in_order():
    headings = [line for line in help.text().split("\n") if re.fullmatch(r"[a-z][a-z ]*", line)]
    assert headings == ["point at", "shape the answer", "this chat", "rarely", "examples"]


def test_nothing_is_wider_than_a_hundred_columns():
    assert max(map(len, help.text().split("\n"))) <= 100
    assert not any(line.endswith(" ") for line in help.text().split("\n"))


def test_the_examples_can_be_typed():
    for line, _ in help.EXAMPLES:
        if line.startswith("%%"):
            assert parse_cell(line.removeprefix("%%claude"), "why?").prompt
        else:
            assert parse_line(line.removeprefix("%claude ")).prompt


def test_counts_show_that_their_number_may_be_left_out():
    assert "-p, --plots [N]" in help.text()
    assert "--do [auto]" in help.text()
    assert "--param KEY=JSON" in help.text()


def test_markdown_is_tables_with_every_option():
    markdown = help.markdown()
    for option in OPTIONS:
        assert f"| `{help.signature(option)}` |" in markdown
    rows = [line for line in markdown.split("\n") if line.startswith("|")]
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {3}


def test_the_docstring_begins_with_what_it_is_for():
    assert help.docstring().startswith("Ask Claude")

"""What a name means where the question stands: in a function its own, of a cell's class its source, of a folder its path."""

from __future__ import annotations

from support.asking import ask, sent_text
from support.raw_server import answer


def test_within_a_function_its_own_names_come_first(kernel, server):
    done = kernel.run(
        "thing, other = 'global', 'too'\n"
        "def explain(thing):\n    %claude -o told What is {thing}, {other}?\n"
        "explain('local')\nprint(told.text, thing)"
    )
    assert done.ok, done.error
    assert sent_text(server) == "What is local, too?"
    assert done.stdout == "Yes. global\n"


def test_a_class_of_a_cell_is_shown_by_its_newest_source(kernel, server):
    first = "from dataclasses import dataclass\n@dataclass\nclass Point:\n    x: int\n"
    for cell, lines in ((first, 3), (first + "    y: int = 2\n", 4), (first, 3)):
        assert kernel.run(cell).ok
        done = ask(kernel, line="Point")
        assert done.ok, done.error
        assert "@dataclass\nclass Point:\n    x: int\n" in sent_text(server)
        assert ("    y: int = 2" in sent_text(server)) is (lines == 4)
    assert kernel.run("class Outer:\n    class Inner:\n        def f(self): return 1\n").ok
    assert ask(kernel, line="Outer.Inner").ok
    assert "class Inner:\n    def f(self): return 1" in sent_text(server)


def test_a_folder_stands_in_the_sentence_and_so_does_a_file_that_is_converted(kernel, server):
    done = kernel.run("import pathlib\nfolder, file = pathlib.Path('/'), pathlib.Path('not-yet.png')")
    assert done.ok
    done = ask(kernel, "Read from {folder}, save to {file!s}.")
    assert done.ok, done.error
    assert sent_text(server) == "Read from /, save to not-yet.png."
    assert "no file not-yet.png" in ask(kernel, "What is in {file}?").error


def test_the_companions_say_what_they_take(kernel):
    told = kernel.run("%claude_key --help")
    assert told.ok and "--save" in told.stdout and "--forget" in told.stdout
    assert "has no --sav, only --save and --forget" in kernel.run("%claude_key --sav").error
    assert "%claude_chat fork NAME" in kernel.run("%claude_chat show --help").stdout


def test_code_below_is_what_a_cell_can_run(kernel, server):
    server.reset(answer("First\n```bash\npip install x\n```\nthen\n- so:\n  ```python\n  import x\n  ```\n"))
    done = ask(kernel, line="--code", cell_id="c")
    assert done.ok, done.error
    assert [p["text"] for p in done.reply["payload"] if p["source"] == "set_next_input"] == ["import x"]
    server.reset(answer("There is nothing to write."))
    done = ask(kernel, line="--code", cell_id="c")
    assert done.ok and not done.reply["payload"]
    assert "contains no code" in done.stderr


def test_a_formatter_registered_with_ipython_is_what_claude_gets(kernel, server):
    done = kernel.run(
        "class Thing: pass\n"
        "formatters = get_ipython().display_formatter.formatters\n"
        "formatters['text/markdown'].for_type(Thing, lambda thing: '**a thing**')\n"
        "things = [Thing()]"
    )
    assert done.ok, done.error
    for names in ("things", "things[0]"):
        assert ask(kernel, line=names).ok
        assert "**a thing**" in sent_text(server)


def test_rows_none_withholds_records_in_the_sentence_too(kernel, server):
    assert kernel.run("rows = [{'name': 'CANARY7351', 'salary': 5}]").ok
    assert ask(kernel, "What is in {rows}?", "--rows none").ok
    assert "CANARY7351" not in sent_text(server) and "name: str (1)" in sent_text(server)
    assert kernel.run("%config ClaudeMagics.rows = 'none'").ok
    assert ask(kernel, "And in {rows!r}?").ok
    assert "CANARY7351" not in sent_text(server)

"""Tab in a real kernel: what a frontend gets as the reply to a completion request."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.kernel import Kernel, running_kernel

SETUP = """
import pandas as pd
from claude_jupyter.magics.completion import complete
complete.install(get_ipython(), chats=lambda: ["main", "ideas"])
sales = pd.DataFrame({"a b": [1], "price": [2]})
salary = 5
"""


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("notebook")
    with running_kernel(folder, {"CLAUDE_JUPYTER_DATA_DIR": str(folder / "data")}, SETUP) as kernel:
        yield kernel


def completed(shell: Kernel, marked: str) -> list[str]:
    """The cell after each completion was put in, as a frontend does it."""
    position = marked.index("|")
    code = marked.replace("|", "", 1)
    reply = shell.complete(code, position)
    assert reply["status"] == "ok"
    start, end = reply["cursor_start"], reply["cursor_end"]
    return [code[:start] + match + code[end:] for match in reply["matches"]]


def test_the_right_characters_are_replaced(shell):
    assert completed(shell, "%%claude --mod|") == ["%%claude --model"]
    assert completed(shell, "%%claude --effort=xh| sales") == ["%%claude --effort=xhigh sales"]
    assert completed(shell, "%claude -c id|") == ["%claude -c ideas"]
    assert completed(shell, "%%claude sal|\nwhy") == ["%%claude sales\nwhy", "%%claude salary\nwhy"]
    assert completed(shell, "%%claude\nWhat of {sala|} and so?") == ["%%claude\nWhat of {salary} and so?"]
    assert completed(shell, '%%claude\nMax of {sales["pr|}?') == ['%%claude\nMax of {sales["price"]}?']
    assert completed(shell, "%%claude\né 🎉 {sales.pri|}") == ["%%claude\né 🎉 {sales.price}"]
    assert completed(shell, "x = 1\ny = %claude -n what of {sala|") == [
        "x = 1\ny = %claude -n what of {salary"
    ]
    assert completed(shell, "# note\n%%claude -m opu|") == ["# note\n%%claude -m opus"]


@pytest.mark.parametrize(
    "prose",
    [
        "sales|", "from |", "import o|", "x.|", "/|", "sales.|", "print(|", "%ti|", "a |", "\\alp|", "sales['|", "the $x_{sal|$", "~/|",
    ],
)  # fmt: skip
def test_in_prose_nobody_completes(shell, prose):
    assert completed(shell, f"%%claude\n{prose}") == []
    assert completed(shell, f"%claude -- tell me {prose}") == []


def test_kinds_are_told(shell):
    reply = shell.complete("%%claude sal")
    assert [c["type"] for c in reply["metadata"]["_jupyter_types_experimental"]] == ["dataframe", "int"]


def test_jedi_is_never_asked(shell):
    asked = """
asked = []
kind = type(get_ipython().Completer)
kind.was, kind._jedi_matches = kind._jedi_matches, lambda self, *a, **k: asked.append(a) or []
"""
    assert shell.run(asked).ok
    completed(shell, "%%claude\n{sala|")
    completed(shell, "%%claude\nfrom sales.|")
    completed(shell, "%claude -|")
    assert shell.value("len(asked)") == 0
    completed(shell, "sal|")
    assert shell.value("len(asked)") == 1
    assert shell.run("kind._jedi_matches = kind.was").ok


def test_python_is_completed_as_before_and_magics_too(shell):
    assert "sales" in [line.strip() for line in completed(shell, "sal|")]
    assert "%time" in completed(shell, "%tim|")


def test_installing_again_does_not_double_and_removing_leaves_nothing(shell):
    count = "len(get_ipython().Completer.custom_matchers)"
    before = shell.value(count)
    done = shell.run(
        "complete.install(get_ipython())\n__import__('importlib').reload(complete).install(get_ipython())"
    )
    assert done.ok, done.error
    assert shell.value(count) == before
    assert completed(shell, "%%claude --mod|") == ["%%claude --model"]
    shell.run("complete.uninstall(get_ipython())")
    assert shell.value(count) == before - 1
    done = shell.run("complete.install(get_ipython(), chats=lambda: ['main', 'ideas'])")
    assert done.ok, done.error

"""The demo model works: it proposes cells that run, one of them fails and is corrected, and its conclusion is true of the data."""

from __future__ import annotations

from typing import Any

import matplotlib as mpl
import pandas as pd
import pytest
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from traitlets.config import Config

from claude_jupyter.content.cells import tracebacks
from claude_jupyter.content.rules import Rules
from claude_jupyter.demo.replies import WHO, DemoReplies
from claude_jupyter.demo.script import Call, Say

TOOL = {
    "name": "run_cell",
    "input_schema": {
        "type": "object",
        "properties": {"title": {"type": "string"}, "code": {"type": "string"}},
        "required": ["title", "code"],
    },
}


def weather() -> pd.DataFrame:
    days = pd.date_range("2024-01-01", periods=120)
    return pd.DataFrame(
        {
            "day": days.strftime("%Y-%m-%d"),
            "rain mm": [float((7 * k) % 11 + k // 30) for k in range(120)],
            "sky": ["sun", "fog", "rain"] * 40,
            "wind": [None, *(float(k % 5) for k in range(119))],
        }
    )


class Notebook:
    """Runs what is proposed in a real shell, and tells what came of it as the package does."""

    def __init__(self, question: str, **values: Any) -> None:
        self.shell: Any = InteractiveShell(config=Config({"HistoryManager": {"enabled": False}}))
        self.shell.user_ns.update(values)
        lines = [
            f"{name}: pandas DataFrame {value.shape[0]} × {value.shape[1]}: {', '.join(value.columns)}"
            for name, value in values.items()
        ]
        inventory = (
            "variables, newest and largest first:\n" + "\n".join(lines) + "\ncells that ran, newest first:"
        )
        text = f'<attachment label="this notebook" kind="inventory">\n{inventory}\n</attachment>'
        self.messages: list[Any] = [
            {"role": "user", "content": [{"type": "text", "text": text}, {"type": "text", "text": question}]}
        ]
        self.titles: list[str] = []
        self.replies = DemoReplies()

    def next(self) -> tuple[str, Call | None]:
        """What is said, and the cell that is proposed."""
        pieces = self.replies(
            {"model": "claude-sonnet-5-5", "messages": self.messages, "tools": [TOOL]}
        ).in_order()
        said = "".join(p.text for p in pieces if isinstance(p, Say))
        call = next((p for p in pieces if isinstance(p, Call)), None)
        content: list[Any] = [{"type": "text", "text": said}]
        if call is not None:
            self.titles.append(str(call.input["title"]))
            content.append(
                {
                    "type": "tool_use",
                    "id": f"toolu_{len(self.titles)}",
                    "name": "run_cell",
                    "input": call.input,
                }
            )
        self.messages.append({"role": "assistant", "content": content})
        return said, call

    def result(self, text: str) -> None:
        result = {"type": "tool_result", "tool_use_id": f"toolu_{len(self.titles)}", "content": text}
        self.messages.append({"role": "user", "content": [result]})

    def run(self, call: Call) -> bool:
        with capture_output() as captured:
            ran = self.shell.run_cell(str(call.input["code"]))
        text = captured.stdout.partition("Traceback")[0] + "".join(
            str(o.data.get("text/plain")) for o in captured.outputs
        )
        if ran.error_in_exec is not None:
            text = str(tracebacks.attach(ran.error_in_exec, "error", Rules()).blocks[0]["text"])
        self.result(f'<attachment label="step" kind="outcome">\n{text}\n</attachment>')
        return ran.success

    def work(self) -> tuple[str, list[bool]]:
        """Run everything; the last words, and how the cells went."""
        went: list[bool] = []
        said, call = self.next()
        while call is not None:
            went.append(self.run(call))
            said, call = self.next()
        return said, went


@pytest.fixture(autouse=True)
def _no_window() -> None:
    mpl.use("agg")


def test_a_small_analysis_looks_cleans_fails_corrects_plots_and_concludes() -> None:
    book = Notebook("Analyze weather: which month has most rain mm?", weather=weather())
    said, went = book.work()
    assert book.titles == [
        "Look at the columns of weather", "Clean weather", "Compare by month", "Compare by month", "Plot rain mm by month",
    ]  # fmt: skip
    assert went == [True, True, False, True, True]
    frame: Any = weather().dropna()
    months: Any = frame.groupby(pd.to_datetime(frame["day"]).dt.month)["rain mm"].mean().round(2)
    assert f"highest in month `{months.idxmax()}` ({months.max():.3g})" in said
    assert f"lowest in `{months.idxmin()}` ({months.min():.3g})" in said
    assert "119 of 120 rows are left." in said and said.endswith(WHO)
    assert book.shell.user_ns["weather"].equals(weather())
    assert len(book.shell.user_ns["weather_clean"]) == 119


def test_the_error_is_named_before_its_correction() -> None:
    book = Notebook("Compare wind by month", weather=weather())
    for _ in range(3):
        _, call = book.next()
        assert call is not None
        book.run(call)
    said, call = book.next()
    assert "TypeError" in said and "`sky`" in said
    assert call is not None and '[["wind", "rain mm"]].mean()' in str(call.input["code"])


def test_words_instead_of_running_are_heard() -> None:
    book = Notebook("Analyze weather", weather=weather())
    for _ in range(3):
        _, call = book.next()
        assert call is not None
        if book.titles[-1] != "Compare by month":
            book.run(call)
    book.result("The user did not run this cell, and says: no, use the median")
    said, call = book.next()
    assert (
        said.startswith("Then with the median")
        and call is not None
        and ".median()" in str(call.input["code"])
    )
    assert book.run(call)


def test_names_that_are_taken_stay() -> None:
    book = Notebook("Analyze weather", weather=weather(), weather_clean=weather()[:3], means=weather()[:2])
    _, went = book.work()
    assert (
        went[-1] and len(book.shell.user_ns["weather_clean"]) == 3 and len(book.shell.user_ns["means"]) == 2
    )


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"a": [1, 2, 3]}),
        pd.DataFrame({"name": ["x", "y", "z"]}),
        pd.DataFrame(),
        pd.DataFrame({"k": ["a", "b"] * 5, "a b": range(10), 'q"': range(10)}),
    ],
)
def test_any_frame_ends_with_a_word(frame: pd.DataFrame) -> None:
    said, _ = Notebook("Analyze df", df=frame).work()
    assert said.endswith(WHO)


def test_without_a_dataframe_it_answers_as_always() -> None:
    said, call = Notebook("Who was Ada?").next()
    assert call is None and "takes knowledge" in said


def test_an_outcome_that_was_withheld_ends_the_work_honestly() -> None:
    book = Notebook("Analyze weather", weather=weather())
    book.next()
    book.result(
        '<attachment label="step 1" kind="outcome">\nIt showed 1 value (withheld: --rows none).\n</attachment>'
    )
    said, call = book.next()
    assert call is None and "does not show the columns" in said

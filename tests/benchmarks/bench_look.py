"""What Claude can answer from what is sent of frames and figures, beside what others send; what looking costs and how it scales.

`python tests/benchmarks/bench_look.py [--install] [--only questions,size,speed]`. A reader without a model answers the bank of
`tests/support/bank.py` from the text alone, then with the tool `query`. Packages that send something of a dataframe are asked in
an environment of their own (`.bench-venvs`; `--install` makes it). Prints figures, asserts nothing.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
import pandas as pd
import polars as pl
from benchmarks.beside.alternatives import ALTERNATIVES, FRAME_SENDERS, Alternative
from benchmarks.beside.environments import home
from support import bank, bank_reader, bank_senders, figure_bank
from support.figure_reader import series_in
from support.figures import figure, title

from claude_jupyter.content.cells.cell_records import Cell
from claude_jupyter.content.text.token_estimate import tokens_of_text
from claude_jupyter.errors import ClaudeError
from claude_jupyter.kernel.inventory import inventory
from claude_jupyter.kernel.look.offered import OWN
from claude_jupyter.kernel.look.query import Query, Select
from claude_jupyter.kernel.look.tool import Here, definition

SEND = """
import json, sys
import pandas as pd
found = {}
for name, (columns, dates) in json.load(sys.stdin).items():
    df = pd.DataFrame(columns)
    for column in dates:
        df[column] = pd.to_datetime(df[column])
    text = ""
    exec(sys.argv[1])
    found[name] = text
print(json.dumps(found))
"""


def sent_by(alternative: Alternative, *, install: bool) -> dict[str, str] | str:
    """What a package makes of each frame of the bank, or why it is not known."""
    place = home(alternative, install=install)
    if place.missing:
        return place.missing
    tables: dict[str, Any] = {}
    for name, table in bank.tables().items():
        dates = [c for c in table.columns if table[c].dtype.kind == "M"]
        columns = {
            str(c): table[c].astype(str).tolist() if c in dates else table[c].tolist() for c in table.columns
        }
        tables[name] = (columns, dates)
    done = subprocess.run(
        [str(place.python), "-c", SEND, alternative.frame], input=json.dumps(tables), capture_output=True, text=True,
        timeout=300, check=False,
    )  # fmt: skip
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["no word"])[-1][:100]
    return json.loads(done.stdout.splitlines()[-1])


def line(name: str, *cells: str) -> None:
    """One line of the table."""
    print(f"{name:<24}" + "".join(f"{cell:>18}" for cell in cells), flush=True)


def share(found: list[bool]) -> str:
    """As a percentage."""
    return f"{100 * sum(found) / len(found):.1f} %" if found else "-"


def questions(*, install: bool) -> None:
    """The bank's table."""
    asked = bank.questions()
    title(f"Answered by a reader without a model: {len(asked)} questions on 12 frames")
    line("what is sent", "from it alone", "with query", "tokens, median", "most")
    namespace = bank.namespace()
    here = Here(namespace=namespace, rules=bank_senders.RULES)
    query = bank_senders.asks(here)
    offered = tokens_of_text(json.dumps([definition(tool) for tool in OWN])) + inventory(here).tokens
    ours = bank_senders.profiles(namespace)
    senders: dict[str, dict[str, str] | str] = {
        "claude-jupyter": ours,
        "describe() + head()": bank_senders.described(),
        "notebook-intelligence": bank_senders.printed(),  # it attaches the text of a cell's output
    }
    for alternative in (*ALTERNATIVES, *FRAME_SENDERS):
        if alternative.frame and alternative.packages:
            senders[alternative.name] = sent_by(alternative, install=install)
    for name, texts in senders.items():
        if isinstance(texts, str):
            line(name, texts)
            continue
        said = {frame: bank_reader.read(text) for frame, text in texts.items()}
        alone, helped, tokens = [], [], []
        for question in asked:
            given = bank_reader.from_text(question, said[question.frame])
            alone.append(bank_reader.is_right(given, question.answer))
            used = tokens_of_text(texts[question.frame]) + tokens_of_text(question.text)
            if texts is ours:
                used += offered
                if given is None:
                    given = bank_reader.from_query(question, query)
                    used += tokens_of_text(query(question.sql)) + tokens_of_text(question.sql)
                helped.append(bank_reader.is_right(given, question.answer))
            tokens.append(used)
        line(name, share(alone), share(helped), f"{statistics.median(tokens):,.0f}", f"{max(tokens):,}")
    print(
        "with query: definitions and inventory are counted in each question; none of the others has such a tool"
    )
    on_figures()


def on_figures() -> None:
    """The same of figures: what stands beside the picture."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        texts = bank_senders.figures()
    right, recovered, tokens = [], [], []
    for name, (text, drawn) in texts.items():
        series = series_in(text)
        read = {one.label: one.y for one in series}
        tokens.append(tokens_of_text(text))
        for label, values in drawn.items():
            ys = read.get(label, [])
            same = zip(ys, values, strict=False)
            recovered.append(
                len(ys) == len(values) and all(figure_bank.to_three_digits(float(y), v) for y, v in same)
            )
        right += [
            figure_bank.to_three_digits(figure_bank.answered(question, series), question.answer)
            for question in figure_bank.questions(name, drawn)
        ]
    title(f"{len(right)} questions on {len(texts)} figures of six libraries, {len(recovered)} series")
    line("claude-jupyter", share(right), "", f"{statistics.median(tokens):,.0f}", f"{max(tokens):,}")
    line("the picture alone", "0.0 %", "", "0", "0")
    print(f"series recovered to 3 significant digits, all points: {share(recovered)}")
    print("the picture alone: this reader sees no pictures; tokens are those of the text beside it")


def best(work: Callable[[], Any], times: int = 7) -> float:
    """Milliseconds of CPU of the quickest run."""
    took = []
    for _ in range(times):
        began = time.process_time()
        work()
        took.append(time.process_time() - began)
    return 1000 * min(took)


def variables(count: int) -> Here:
    """A kernel with so many variables, a fifth of them frames, and as many cells."""
    frames = {
        f"frame_{i}": pd.DataFrame(np.zeros((i + 1, 12)), columns=[f"col_{j}" for j in range(12)])
        for i in range(count // 5)
    }
    others: Mapping[str, Any] = {f"name_{i}": [i] * (i % 50) for i in range(count - len(frames))}
    cells = tuple(Cell(f"name_{i} = {i}", count=i) for i in range(min(count, 200)))
    return Here(namespace={**frames, **others}, rules=bank_senders.RULES, cells=cells)


def size() -> None:
    """The inventory and the definitions."""
    title("What looking costs before anything is looked at")
    definitions = tokens_of_text(json.dumps([definition(tool) for tool in OWN]))
    figure("definitions of the five tools", definitions, "tokens", limit=1300)
    base = best(lambda: inventory(here), 3) if (here := variables(50)) else 0
    for count in (50, 500, 5000):
        place = variables(count)
        figure(f"inventory of {count:,} variables", inventory(place).tokens, "tokens", limit=1500)
        figure("  CPU", best(lambda place=place: inventory(place)), "ms", limit=30 if count == 500 else None)
        figure("  beside 50 variables", best(lambda place=place: inventory(place)), "ms", of=base)


def speed() -> None:
    """How long a look-up takes, and how soon an interrupt or the limit of 2 s ends one."""
    title("Look-ups (the limit is 2 s)")
    rows = 1_000_000
    columns = {
        "k": np.arange(rows),
        "g": np.arange(rows) % 97,
        "v": np.random.default_rng(0).normal(size=rows),
    }
    frames = {
        "pandas_1m": pd.DataFrame(columns),
        "polars_1m": pl.DataFrame(columns),
        "lazy_1m": pl.LazyFrame(columns),
    }
    small = {name.replace("1m", "100k"): frame.head(rows // 10) for name, frame in frames.items()}
    place = Here(namespace={**frames, **small}, rules=bank_senders.RULES)

    def seconds(sql: str) -> tuple[float, str]:
        began = time.perf_counter()
        try:
            told = f"{len(Query().handle(Select(sql), place).fetched.rows)} rows"
        except ClaudeError as error:
            told = error.message[:60]
        return 1000 * (time.perf_counter() - began), told

    for name in frames:
        sql = "SELECT g, avg(v) FROM {} GROUP BY g ORDER BY 2 DESC LIMIT 5"
        tenth = min(seconds(sql.format(name.replace("1m", "100k")))[0] for _ in range(3))
        figure(
            f"group by over {name}, beside a tenth",
            min(seconds(sql.format(name))[0] for _ in range(3)),
            "ms",
            of=tenth,
        )
    for name, sql in {
        "10^8 rows": "SELECT * FROM range(100000000)",
        "an endless recursion": "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
        "a cross join without end": "SELECT sum(a.k * b.k) FROM pandas_1m a, pandas_1m b, pandas_1m c",
        "a lazy join without end": "SELECT sum(a.k * b.k) FROM lazy_1m a JOIN lazy_1m b ON a.g = b.g",
    }.items():
        took, told = seconds(sql)
        figure(f"{name}: {told}"[:62], took, "ms", limit=2600)
    interrupted()


def interrupted() -> None:
    """From Ctrl-C to the KeyboardInterrupt in the waiting cell."""
    import _thread

    place = Here(namespace={}, rules=bank_senders.RULES)
    found: list[float] = []
    for _ in range(7):
        sent: list[float] = []

        def interrupt(sent: list[float] = sent) -> None:
            sent.append(time.monotonic())
            _thread.interrupt_main()

        threading.Timer(0.4, interrupt).start()
        try:
            Query().handle(
                Select("SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b"), place
            )
        except KeyboardInterrupt:
            found.append(1000 * (time.monotonic() - sent[0]))
    figure("an interrupt ends a query after, at most", max(found), "ms", limit=200)


def main(words: list[str]) -> None:
    """Print what is asked for."""
    only = (
        words[words.index("--only") + 1].split(",") if "--only" in words else ["questions", "size", "speed"]
    )
    if "questions" in only:
        questions(install="--install" in words)
    if "size" in only:
        size()
    if "speed" in only:
        speed()


if __name__ == "__main__":
    main(sys.argv[1:])

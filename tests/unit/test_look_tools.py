"""The look tools by themselves: what Claude gets for a call, and one clear line for every call that cannot be answered."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import duckdb
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from claude_jupyter.content.cells.cell_records import Cell, CellOutput
from claude_jupyter.content.rules import Rules
from claude_jupyter.content.text.token_estimate import tokens_of_text
from claude_jupyter.errors import ClaudeError, UsageError
from claude_jupyter.kernel.inventory import inventory
from claude_jupyter.kernel.look.offered import OWN
from claude_jupyter.kernel.look.tool import Here, arguments_of, definition

TOOLS = {tool.name: tool for tool in OWN}


def sales() -> pd.DataFrame:
    rows = 40
    return pd.DataFrame(
        {
            "city": ["Oslo", "Rome"] * (rows // 2),
            "amount": range(rows),
            "when": pd.date_range("2026-01-01", periods=rows),
        }
    )


def here(rows: str = "10", cells: tuple[Cell, ...] = (), **namespace: Any) -> Here:
    return Here(namespace=namespace, rules=Rules(rows=rows), cells=cells)


def look(tool_name: str, place: Here, /, **arguments: Any) -> str:
    tool = TOOLS[tool_name]
    found = tool.handle(arguments_of(tool, arguments), place).attachments(place.rules)
    return "\n".join(block["text"] for a in found for block in a.blocks if block["type"] == "text")


def refused(tool_name: str, place: Here, /, **arguments: Any) -> str:
    with pytest.raises(ClaudeError) as error:
        look(tool_name, place, **arguments)
    assert "\n" not in error.value.message
    return error.value.message


def test_all_definitions_together_cost_at_most_1_300_tokens() -> None:
    assert set(TOOLS) == {"variables", "show", "query", "cells", "help"}
    assert tokens_of_text(json.dumps([definition(tool) for tool in OWN])) <= 1300


def test_arguments_that_do_not_fit_are_said() -> None:
    place = here()
    assert refused("show", place) == "show needs expression"
    assert (
        refused("show", place, expresion="x") == "show does not accept 'expresion'; did you mean expression?"
    )
    assert refused("cells", place, count="7") == "count takes a JSON integer"


# -- the inventory -------------------------------------------------------------------------------------------------


def test_500_variables_fit_into_1_500_tokens_and_what_is_left_out_is_counted() -> None:
    frames = {
        f"frame_{i}": pd.DataFrame(np.zeros((i + 1, 12)), columns=[f"col_{j}" for j in range(12)])
        for i in range(100)
    }
    others = {f"name_{i}": [i] * i for i in range(400)}
    place = here(cells=tuple(Cell(f"name_{i} = {i}", count=i) for i in range(200)), **frames, **others)
    inventory(place)
    took = []
    for _ in range(10):
        began = time.process_time()  # other processes are no part of it
        page = inventory(place)
        took.append(time.process_time() - began)
    text = page.blocks[0]["text"]
    assert page.tokens <= 1500
    assert (
        "more variables: the tool variables lists them]" in text and "earlier cells: the tool cells" in text
    )
    listed = sum(line.startswith(("frame_", "name_")) for line in text.splitlines())
    assert f"[{500 - listed} more variables" in text
    assert "frame_99: pandas DataFrame 100 × 12: col_0, col_1" in text  # the largest
    assert "name_199: list of 199" in text  # the newest
    assert min(took) < 0.03


def test_the_inventory_tells_types_shapes_and_columns_and_no_value() -> None:
    def helper(path: str, limit: int = 5) -> None: ...

    place = here(
        cells=(Cell("amount = 'SECRET'", count=3), Cell("1/0", count=4, error="…", error_name="ZeroDivisionError")),
        sales=sales(), lazy=pl.LazyFrame({"k": [1]}), matrix=np.zeros((3, 4)), names=["SECRET"] * 7, text="SECRET", helper=helper,
        secret=12345, _hidden=1, In=[], np=np,
    )  # fmt: skip
    text = inventory(place).blocks[0]["text"]
    for line in (
        "sales: pandas DataFrame 40 × 3: city, amount, when", "lazy: polars LazyFrame: k", "matrix: numpy.ndarray 3×4 float64",
        "names: list of 7", "text: str of 6 characters", "helper: function(path, limit)", "secret: int",
        "In[4] 1/0 (1 line): raised ZeroDivisionError",
    ):  # fmt: skip
        assert line in text
    assert "12345" not in text and "_hidden" not in text and "np:" not in text
    withheld = inventory(here("none", place.cells, **place.namespace)).blocks[0]["text"]
    assert "SECRET" not in withheld and "In[4] 1 line: raised ZeroDivisionError" in withheld


# -- variables, show, cells, help ----------------------------------------------------------------------------------


def test_variables_are_filtered_by_name_and_type() -> None:
    place = here(sales=sales(), sales_2=[1], other=3)
    assert "sales: pandas DataFrame 40 × 3: city str, amount int64, when datetime64[us]" in look(
        "variables", place, type="frame"
    )
    assert "other" not in look("variables", place, name="sales")
    assert "sales_2: list of 1" in look("variables", place, name="*_2")
    assert refused("variables", place, name="sale_2") == "No variable matches sale_2; did you mean sales_2?"


def test_show_is_what_a_name_on_the_magic_s_line_shows() -> None:
    place = here(sales=sales(), paths={"a": ["x", "y"]})
    assert "pandas DataFrame: 40 rows × 3 columns" in look("show", place, expression="sales")
    assert "'y'" in look("show", place, expression='paths["a"][1]') or "y" in look(
        "show", place, expression='paths["a"][1]'
    )
    assert "Calls are not allowed" in refused("show", place, expression="sales.head()")
    assert refused("show", place, expression="sale") == "There is no variable 'sale'; did you mean sales?"
    assert "KeyError" in refused("show", place, expression='paths["b"]')
    assert refused("show", place, expression="import os").startswith("This is not an expression")


class Unruly:
    """Whose properties and repr fail in every way."""

    @property
    def hangs(self) -> int:
        while True:
            time.sleep(0.01)

    @property
    def exits(self) -> int:
        sys.exit(3)

    def __repr__(self) -> str:
        print("printed")
        raise RuntimeError("no")


def test_a_figure_that_only_a_browser_draws_is_shown_by_its_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    import plotly.express as px

    monkeypatch.setattr("claude_jupyter.content.figures.browser.run", lambda *_: pytest.fail("it is drawn"))
    place = here(fig=px.line(x=[1, 2, 3], y=[4.25, 5.5, 6.75], title="Rain"))
    (shown,) = (
        TOOLS["show"]
        .handle(arguments_of(TOOLS["show"], {"expression": "fig"}), place)
        .attachments(place.rules)
    )
    text = shown.blocks[0]["text"]
    assert "Rain" in text and "5.5" in text and shown.sent == "no picture + numbers"
    assert "5.5" not in look("show", here("none", fig=place.namespace["fig"]), expression="fig")


def test_code_of_the_user_s_neither_hangs_nor_ends_a_look() -> None:
    place = here(bad=Unruly())
    began = time.monotonic()
    assert "took longer than 2 s" in refused("show", place, expression="bad.hangs")
    assert time.monotonic() - began < 3
    assert "SystemExit" in refused("show", place, expression="bad.exits")
    assert "its repr raised RuntimeError" in look("show", place, expression="bad")
    assert "bad: Unruly" in look("variables", place).replace("test_look_tools.", "")


class Bad:
    """Whose repr does what it is made with."""

    def __init__(self, does: Callable[[], object]) -> None:
        self.does = does

    def __repr__(self) -> str:
        return self.does() or "a repr"  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("does", "told"),
    [
        (lambda: 1 / 0, "its repr raised ZeroDivisionError"),
        (lambda: time.sleep(60), "its repr took longer than 2 s"),
        (lambda: print("printed"), "a repr"),
        (lambda: sys.exit(3), "its repr raised SystemExit"),
        (lambda: (_ for _ in ()).throw(KeyboardInterrupt), "its repr raised KeyboardInterrupt"),
        (lambda: 3, "its repr raised TypeError"),
        (lambda: "x" * 10**7, "xxx"),
    ],
    ids=["raises", "hangs", "prints", "exits", "interrupts", "gives no text", "gives much"],
)
def test_whatever_a_repr_does_is_one_result(does: Callable[[], object], told: str) -> None:
    text = look("show", here(bad=Bad(does)), expression="bad")
    assert told in text and text.count("</attachment>") == 1 and tokens_of_text(text) < 30_000


def test_a_frame_that_changes_while_it_is_read_is_one_result(engine: str) -> None:
    frame = pd.DataFrame({"a": np.arange(500_000), "b": ["x"] * 500_000})
    over = threading.Event()

    def change() -> None:
        i = 0
        while not over.is_set():
            i += 1
            frame[f"c{i % 5}"] = i
            if f"c{(i + 1) % 5}" in frame.columns:
                frame.pop(f"c{(i + 1) % 5}")
            frame.loc[i % 1000, "a"] = i

    thread = threading.Thread(target=change)
    thread.start()
    place = here(frame=frame)
    try:
        for _ in range(4):
            for tool, arguments in (
                ("query", {"sql": "SELECT b, count(*) AS n FROM frame GROUP BY b"}), ("show", {"expression": "frame"}), ("variables", {}),
            ):  # fmt: skip
                try:
                    assert look(tool, place, **arguments).count("</attachment>") == 1
                except ClaudeError as error:
                    assert "\n" not in error.message
    finally:
        over.set()
        thread.join()


def test_cells_are_found_by_count_id_and_text() -> None:
    cells = (
        Cell("load()", id="a1", count=1, text="loaded 3 files\n"),
        Cell("plot()", id="b2", count=2, displayed=(CellOutput("text/plain", "<Axes>", value=True),)),
        Cell("%%claude\nwhat?", count=3, asks=True),
        *(Cell(f"step({i})", count=i) for i in range(4, 12)),
    )
    place = here(cells=cells)
    assert "loaded 3 files" in look("cells", place, count=1)
    assert "plot()" in look("cells", place, id="b2")
    assert "load()" in look("cells", place, text="LOADED")
    found = look("cells", place, text="step")
    assert (
        found.count("<attachment") == 5
        and "[3 more cells match: In[4], In[5], In[6]. Ask for them by count.]" in found
    )
    assert refused("cells", place, count=99).startswith("No cell matches. Cells that ran: In[1, 2, 4")
    assert "No cell matches" in refused(
        "cells", here("none", cells), text="loaded"
    )  # it stands in an output alone


def test_help_tells_signature_docstring_and_source() -> None:
    def own(x: int) -> int:
        """Doubles."""
        return 2 * x

    place = here(own=own, pd=pd, n=3)
    assert "return 2 * x" in look("help", place, name="own")
    text = look("help", place, name="pd.DataFrame.merge")
    assert "function pd.DataFrame.merge(self, right" in text and "Merge DataFrame" in text
    assert "def merge" in look("help", place, name="pd.DataFrame.merge", source=True)
    assert "function len(obj, /)" in look("help", place, name="len")
    assert "json.dumps(obj" in look("help", here(), name="json.dumps")
    assert "not callable" in refused("help", place, name="n")
    assert "did you mean own" in refused("help", place, name="owm")


# -- query ---------------------------------------------------------------------------------------------------------


@pytest.fixture(params=["duckdb", "polars"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "polars":
        monkeypatch.setitem(sys.modules, "duckdb", None)
    return request.param


def frames() -> dict[str, Any]:
    table = sales()
    return {
        "pandas_frame": table, "polars_frame": pl.from_pandas(table), "arrow_table": pa.Table.from_pandas(table),
        "lazy_frame": pl.from_pandas(table).lazy(),
    }  # fmt: skip


@pytest.mark.parametrize("name", list(frames()))
def test_every_library_s_frame_is_queried_by_name(engine: str, name: str) -> None:
    place = here(**frames())
    text = look(
        "query", place, sql=f"SELECT city, SUM(amount) AS total FROM {name} GROUP BY city ORDER BY total;"
    )
    assert "Oslo | 380\nRome | 400\n[2 rows]" in text
    assert place.namespace["pandas_frame"].equals(sales())


def test_a_duckdb_relation_is_streamed_and_frames_are_joined() -> None:
    relation = duckdb.sql("SELECT 'Oslo' AS city, 'NO' AS country")
    text = look(
        "query", here(relation=relation, sales=sales()),
        sql="SELECT country, count(*) AS n FROM sales JOIN relation USING (city) GROUP BY country",
    )  # fmt: skip
    assert "NO | 20" in text


def test_an_index_that_says_something_is_a_column() -> None:
    place = here(sales=sales().set_index("when"))
    assert "when (timestamp)" in look("query", place, sql="SELECT * FROM sales ORDER BY 1 LIMIT 1")


def test_a_result_holds_as_many_rows_as_may_leave_and_counts_the_rest(engine: str) -> None:
    text = look("query", here("3", sales=sales()), sql="SELECT amount FROM sales ORDER BY amount DESC")
    assert "39\n38\n37\n[3 of 40 rows; a result holds at most 3 (--rows)" in text


def test_a_lazy_frame_is_collected_no_further_than_the_limit() -> None:
    seen: list[int] = []

    def noted(frame: pl.DataFrame) -> pl.DataFrame:
        seen.append(frame.height)
        return frame

    lazy = pl.LazyFrame({"k": range(1000)}).head(5).map_batches(noted)
    assert "[5 rows]" in look("query", here(lazy=lazy), sql="SELECT * FROM lazy")
    assert seen == [5]


WRITES = [
    "INSERT INTO sales VALUES (1)", "UPDATE sales SET amount = 0", "DELETE FROM sales", "DROP TABLE sales", "CREATE TABLE t AS SELECT 1",
    "COPY sales TO '/tmp/out.csv'", "ATTACH '/tmp/x.db'", "INSTALL httpfs", "LOAD httpfs", "PRAGMA database_list",
    "SET memory_limit = '9GB'", "SELECT 1; DROP TABLE sales", "EXPORT DATABASE '/tmp/x'", "CALL pragma_version()",
    "TRUNCATE TABLE sales", "",
]  # fmt: skip
READS = [
    "SELECT * FROM read_csv('/etc/passwd')", "SELECT * FROM '/etc/passwd'", "SELECT * FROM read_parquet('https://example.com/x')",
    "SELECT * FROM read_text('/etc/passwd')", "SELECT * FROM glob('/*')", "SELECT * FROM sales, read_csv('/etc/passwd')",
    "SELECT getenv('HOME')", "WITH x AS (SELECT * FROM read_csv('/etc/passwd')) SELECT * FROM x",
]  # fmt: skip


@pytest.mark.parametrize("sql", WRITES)
def test_sql_that_does_more_than_select_is_refused(engine: str, sql: str) -> None:
    table = sales()
    assert refused("query", here(sales=table), sql=sql).startswith("query takes")
    assert table.equals(sales())


@pytest.mark.parametrize("sql", READS)
def test_sql_reads_no_file_and_no_network(engine: str, sql: str) -> None:
    told = refused("query", here(sales=sales()), sql=sql)
    assert "root:" not in told


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT count(*) AS n FROM sales a JOIN cities b ON a.city = b.name",
        "SELECT count(*) AS n FROM sales JOIN cities ON (cities.name = sales.city) WHERE amount >= 0",
        "SELECT count(*) AS n FROM (SELECT a.amount FROM sales a JOIN cities b ON a.city = b.name) x",
        "SELECT count(*) AS n FROM sales a SEMI JOIN cities b ON a.city = b.name",
    ],
)
def test_frames_are_joined_by_equal_columns(engine: str, sql: str) -> None:
    cities = pl.DataFrame({"name": ["Oslo"], "country": ["NO"]})
    assert "\n20\n" in look("query", here(sales=sales(), cities=cities), sql=sql)
    if engine == "duckdb":  # Polars takes no constants there
        more = sql.replace("b.name", "b.name AND b.country = 'NO'")
        assert "\n20\n" in look("query", here(sales=sales(), cities=cities), sql=more)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT sum(a.k * b.k) FROM many a JOIN many b ON a.k > b.k",
        "SELECT sum(a.k * b.k) FROM many a JOIN many b ON a.same = b.same",
        "SELECT count(*) FROM many JOIN many b USING (same)",
        "SELECT count(*) FROM many a JOIN many b USING (k) JOIN many c ON c.same = b.same JOIN many d ON d.same = c.same",
        "SELECT count(*) FROM many a, many b",
        "SELECT count(*) FROM (SELECT k FROM many) AS a, many b",
        "SELECT count(*) FROM many a CROSS JOIN many b",
        "SELECT count(*) FROM many a NATURAL JOIN many b",
        "SELECT count(*) FROM many a JOIN (SELECT * FROM many) b ON a.same = b.same",
        "SELECT count(*) FROM many a JOIN many b ON a.k = b.k OR a.same = b.same",
        "SELECT count(*) FROM many a JOIN many b",
        "WITH x AS (SELECT * FROM many) SELECT count(*) FROM many a JOIN x ON a.same = x.same",
    ],
)
def test_a_join_that_could_not_be_stopped_does_not_begin(sql: str) -> None:
    lazy = pl.LazyFrame({"k": range(6000), "same": [1] * 6000})
    told = refused("query", here(many=lazy), sql=sql)
    assert "by equal columns" in told or "the join may have" in told


def test_one_join_by_a_key_is_taken_of_lazy_frames_too() -> None:
    lazy = pl.LazyFrame({"k": range(6000), "same": [1] * 6000})
    assert "\n6000\n" in look(
        "query", here(many=lazy), sql="SELECT count(*) FROM many a JOIN many b ON a.k = b.k"
    )
    assert "\n6000\n" in look(
        "query", here(many=lazy), sql="SELECT count(*) FROM many a JOIN many b USING (k)"
    )


@pytest.mark.parametrize(
    "sql",
    [
        "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t",
        "SELECT sum(a.amount * b.amount) FROM sales a, sales b, sales c, sales d, sales e, sales f, sales g, sales h",
    ],
)
def test_an_endless_query_ends_after_two_seconds(sql: str) -> None:
    began = time.monotonic()
    told = refused("query", here(sales=sales()), sql=sql)
    assert "longer than 2 s" in told or "more than 1GB of memory" in told
    assert time.monotonic() - began < 4


def test_a_hundred_million_rows_are_counted_and_not_fetched() -> None:
    assert "[10 of 100,000,000 rows" in look("query", here(), sql="SELECT * FROM range(100000000)")


def test_an_interrupt_ends_a_query_within_200_ms(monkeypatch: pytest.MonkeyPatch) -> None:
    import _thread

    sql = "SELECT sum(a.range * b.range) FROM range(1000000) a, range(1000000) b"
    sent: list[float] = []

    def interrupt() -> None:
        sent.append(time.monotonic())
        _thread.interrupt_main()

    threading.Timer(0.5, interrupt).start()
    with pytest.raises(KeyboardInterrupt):
        look("query", here(), sql=sql)
    assert time.monotonic() - sent[0] < 0.2


def test_names_that_are_no_frames_are_told(engine: str) -> None:
    place = here(sales=sales(), n=3)
    assert "There is no variable 'sale'; did you mean sales? Frames: sales." in refused(
        "query", place, sql="SELECT * FROM sale"
    )
    assert "n is of type int, not a frame" in refused("query", place, sql="SELECT * FROM n")


def test_without_duckdb_and_polars_one_line_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "duckdb", None)
    monkeypatch.setitem(sys.modules, "polars", None)
    told = refused("query", here(sales=sales()), sql="SELECT count(*) FROM sales")
    assert (
        told == "query needs DuckDB or Polars, and neither is installed here (pip install duckdb). Use show."
    )


def test_a_frame_that_would_have_to_be_copied_whole_is_refused() -> None:
    import dask.dataframe as dd

    told = refused("query", here(big=dd.from_pandas(sales(), npartitions=2)), sql="SELECT * FROM big")
    assert told.startswith("query does not read dask")


# -- no row may leave ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "line"),
    [
        ("SELECT count(*) FROM sales", "40"),
        ("select avg(amount) as mean, sum(amount) total from sales where city = 'Oslo'", "19 | 380"),
        ("SELECT var(amount) FROM sales WHERE amount BETWEEN 5 AND 30;", "58.5"),
        ("SELECT count(amount) FROM sales WHERE city IN ('Oslo') AND amount IS NOT NULL", "20"),
        ("SELECT COUNT(DISTINCT city) FROM sales", "2"),
    ],
)
def test_aggregates_over_ten_rows_leave(sql: str, line: str) -> None:
    assert f"\n{line}\n[1 row]" in look("query", here("none", sales=sales()), sql=sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM sales",
        "SELECT city FROM sales",
        "SELECT min(amount) FROM sales",
        "SELECT max(amount) FROM sales",
        "SELECT median(amount) FROM sales",
        "SELECT city, count(*) FROM sales GROUP BY city",
        "SELECT count(*) FROM sales GROUP BY city",
        "SELECT sum(amount) FROM sales WHERE amount = 7",
        "SELECT sum(amount) FILTER (WHERE amount = 7) FROM sales",
        "SELECT sum(CASE WHEN amount = 7 THEN amount END) FROM sales",
        "SELECT sum(amount * 2) FROM sales",
        "SELECT sum(a.amount) FROM sales a",
        "SELECT avg(amount) FROM (SELECT amount FROM sales LIMIT 1), range(20)",
        "SELECT avg(x.amount) FROM sales x JOIN sales y ON x.amount = 7",
        "WITH one AS (SELECT amount FROM sales LIMIT 1) SELECT sum(amount) FROM one",
        "SELECT list(amount) FROM sales",
        "SELECT string_agg(city, ',') FROM sales",
        "SELECT count(*) FROM sales WHERE amount = (SELECT max(amount) FROM sales)",
        "SELECT count(*) FROM sales WHERE amount > 5 ORDER BY 1",
        "SELECT sum(rare) FROM sparse",
        "SELECT 1",
        "SELECT sum(amount), city FROM sales",
        "SELECT sum(amount) OVER () FROM sales",
        "SELECT count(*) FROM sales UNION ALL SELECT max(amount) FROM sales",
    ],
)
def test_nothing_else_leaves_where_no_row_may(sql: str) -> None:
    sparse = pd.DataFrame({"rare": [4711.0] + [np.nan] * 39})
    told = refused("query", here("none", sales=sales(), sparse=sparse), sql=sql)
    assert "4711" not in told and "Oslo" not in told


def test_an_error_of_the_engine_tells_no_value_where_no_row_may_leave() -> None:
    told = refused(
        "query", here("none", sales=sales()), sql="SELECT count(*) FROM sales WHERE amount > 'Rome'"
    )
    assert "Rome" not in told and "withheld" in told


def test_a_tool_without_arguments_to_convert_keeps_integers_and_floats_apart() -> None:
    with pytest.raises(UsageError):
        arguments_of(TOOLS["cells"], {"count": True})

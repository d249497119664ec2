"""Whoever opens a published database with a tool reads there what each table and column is, in both languages."""

from __future__ import annotations

from warehouse.publish import publish


def test_every_table_and_column_says_what_it_is_in_both_languages(settings, build, look):
    build.put("monthly_users", active_users=50)
    publish(settings)
    for tier in ("analyst", "public"):
        said = look(
            "SELECT table_name, '', comment FROM duckdb_tables() WHERE schema_name = 'marts' "
            "UNION ALL SELECT table_name, column_name, comment FROM duckdb_columns() WHERE schema_name = 'marts'",
            tier,
        )
        assert len(said) > 500
        silent = [(table, column) for table, column, text in said if not text]
        assert not silent
        english = [row for row in said if not row[2].partition(" / ")[0].isascii()]
        persian = [row for row in said if not any("\u0600" <= letter <= "\u06ff" for letter in row[2])]
        assert (english, persian) == ([], [])
    texts = {(table, column): text for table, column, text in said}
    assert "never add up" in texts["monthly_users", ""].lower()
    assert texts["monthly_users", "active_users"] == "Active users / کاربران فعال"
    assert "suppressed" in texts["monthly_users", "active_users_status"]
    assert texts["monthly_users_vintages", "active_users"] == texts["monthly_users", "active_users"]

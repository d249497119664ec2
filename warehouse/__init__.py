"""Keep and serve: alone knows DuckDB and Delta Lake."""

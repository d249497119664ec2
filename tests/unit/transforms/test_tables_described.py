"""The page of published tables is what their contracts and queries say."""

from pathlib import Path

from transforms.described import reference
from transforms.model import PUBLISHED, models

PAGE = Path(__file__).resolve().parents[3] / "docs" / "reference" / "tables.md"


def test_the_page_in_the_docs_is_the_one_that_the_contracts_write() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "make reference"


def test_every_published_table_is_there_with_its_columns_in_both_languages() -> None:
    page = reference()
    for shelf in PUBLISHED:
        for model in models(shelf).values():
            told = page.partition(f"\n### {model.published}\n")[2].partition("\n### ")[0]
            assert f"{model.contract['label']['en']} · {model.contract['label']['fa']}" in told
            assert "Definition" in told
            for column in model.columns:
                label = column.spec["label"]
                assert f"| `{column.name}` | {column.type} | " in told
                assert f" | {label['en']} | {label['fa']} | " in told

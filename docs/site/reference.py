"""Write the pages of reference: `make reference`. Tests hold that what is committed is what this writes."""

from pathlib import Path

import console.reference
import contracts.reference
import transforms.described

FOLDER = Path(__file__).parents[1] / "reference"

for name, written in (
    ("events.md", contracts.reference.reference),
    ("cli.md", console.reference.reference),
    ("tables.md", transforms.described.reference),
):
    (FOLDER / name).write_text(written(), encoding="utf-8")

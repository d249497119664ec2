"""YAML files that are shipped with the code, beside the module that means them."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import yaml

# libyaml's parser: a fifth of a second less at every start of a process than the one in Python.
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def shipped_yaml(room: str, file: str) -> dict[str, Any]:
    """A shipped file's document, a mapping."""
    document: dict[str, Any] = parse_yaml(files(room).joinpath(file).read_text(encoding="utf-8"))
    return document


def parse_yaml(text: str) -> Any:
    """The document in a text of our own: plain values alone, no objects."""
    return yaml.load(text, LOADER)  # noqa: S506 both are safe loaders

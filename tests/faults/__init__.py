"""The fault harness: every row of the fault matrix as a function that says which promises broke. See registry.py."""

import sys
from pathlib import Path

# tests/ is no package: the stage and the monthly oracle are found by their folders.
for _folder in ("integration", "oracle"):
    _path = str(Path(__file__).resolve().parents[1] / _folder)
    if _path not in sys.path:
        sys.path.insert(0, _path)

"""The fault harness: every row of the fault matrix as a function that says which promises broke. See registry.py."""

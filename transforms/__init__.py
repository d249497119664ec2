"""Compute: only SELECTs, a folder per table, and the closure of a change."""

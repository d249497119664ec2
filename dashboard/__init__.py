"""Show: pages rendered from published snapshots and verdicts."""

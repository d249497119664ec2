"""The rows of the fault matrix, one module a subject; each lists its own as ROWS."""

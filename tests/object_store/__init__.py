"""A store for a lake in tests and benchmarks: what runs it, and what it is made of."""

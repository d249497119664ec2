"""Is it fit to count? Great Expectations suites and the gate they hold."""

"""Where a published figure comes from, and what a press claim about it really is. Reads; never writes."""

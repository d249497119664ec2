"""Published reports told as events: each scenario's figures come out of its events by construction."""

"""Where the pipeline stands, in the words of tools that operators have already: Prometheus and OpenLineage.

Everything here is read from the lake's own log, the broker's offsets and what is published. No step reports to this
room, so nothing that is counted depends on it, and what it says is right also of steps that ran before it was started.
"""

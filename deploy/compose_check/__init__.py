"""`make compose-check`: the shipped docker-compose.yml on a Docker engine of its own, killed and counted.

Every process runs in one pid, mount and network namespace and dies with it: the host gets no bridge, rule or port.
"""

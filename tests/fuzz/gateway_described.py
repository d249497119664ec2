"""The gateway under schemathesis: requests made from its OpenAPI, every answer held to it. `make fuzz` runs it.

Usage: ``python tests/fuzz/gateway_described.py EXAMPLES`` with schemathesis on PYTHONPATH.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "integration")]

from gateway_rig import free_port, running  # noqa: E402

from broker import local  # noqa: E402
from broker.administration import add_agencies, allow_gateway  # noqa: E402
from contracts.keys import create_keys  # noqa: E402
from contracts.settings import Settings  # noqa: E402
from gateway.logins import add_token  # noqa: E402

# Not asked: that every event of the right shape is accepted (its source must be the token's), and that a batch with one
# wrong event is refused as a whole (its good events are accepted).
CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "unsupported_method", "allow_header_conformance", "ignored_auth",
)  # fmt: skip


def main() -> None:
    """Ask; exit 1 where an answer is not as it is described."""
    with tempfile.TemporaryDirectory(prefix="mizan-fuzz-") as folder:
        settings = Settings.load({"MIZAN_HOME": folder}, folder=Path(folder))
        create_keys(settings)
        local.up(settings)
        try:
            add_agencies(settings, ["fuzz"])
            allow_gateway(settings)
            _, token = add_token(settings, "fuzz")
            port = free_port()
            call = [sys.executable, "-m", "schemathesis.cli", "--no-color", "run"]
            call += [f"http://127.0.0.1:{port}/openapi.json", "--header", f"Authorization: Bearer {token}"]
            call += ["--max-examples", sys.argv[1], "--phases", "examples,fuzzing", "--checks", ",".join(CHECKS)]
            with running(settings, port):
                done = subprocess.run(call, cwd=folder, env=os.environ, check=False)
        finally:
            local.down(settings)
    sys.exit(done.returncode)


if __name__ == "__main__":
    main()

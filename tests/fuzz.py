"""Made-up requests and packets against a server of its own: `python -m tests.fuzz SECONDS` (make fuzz).

Fails when an answer is a 5xx or is not declared in the API's description, or when the server is not well afterwards.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parent))

from conftest import serving
from test_packets import PACKETS, send_all

CHECKS = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
LEFT_OUT = ("/events/stream$", "/lab/runs$", "/zoo/")
"""What has no end, or begins what takes long."""


def requests_for(url: str, seconds: int) -> int:
    """The status of schemathesis."""
    program = str(Path(sys.executable).with_name("st"))
    command = [program, "run", f"{url}/api/openapi.json", f"--checks={CHECKS}", f"--max-time={seconds}"]
    command += [
        "--phases=coverage,fuzzing",
        "--continue-on-failure",
        "--request-timeout=20",
        "--suppress-health-check=all",
    ]
    command += [f"--exclude-path-regex={'|'.join(LEFT_OUT)}"]
    return subprocess.run(command, check=False).returncode


def packets_for(url: str, seconds: float) -> None:
    """Sessions of made-up packets, for so long."""
    end = time.monotonic() + seconds

    @settings(max_examples=200, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.lists(PACKETS, min_size=1, max_size=12))
    def send(packets: list[str]) -> None:
        if time.monotonic() < end:
            send_all(url, packets)

    while time.monotonic() < end:
        send()


def main(seconds: int) -> int:
    """The status to end with."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), None) as server:
        server.talk(b"x", 28)
        status = requests_for(server.url, max(10, seconds * 3 // 4))
        packets_for(server.url, seconds / 4)
        health = requests.get(f"{server.url}/healthz", timeout=20)
        _, _, errors = server.stop()
    if health.status_code != 200 or "Traceback" in errors:
        print(f"not well afterwards: {health.text}\n{errors}", file=sys.stderr)
        return 1
    return status


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1])))

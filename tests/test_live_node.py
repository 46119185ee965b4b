"""The live protocol with the Socket.IO client that browsers use, run by node."""

import json
import shutil
import subprocess
from pathlib import Path

from conftest import ROOT, Site
from waiting import DEADLINE_S


def test_node_client(site: Site) -> None:
    node = shutil.which("node") or str(ROOT / ".venv" / "bin" / "node")
    script = Path(__file__).with_name("live_client.mjs")
    ran = subprocess.run([node, script, site.url, "events", "3"], capture_output=True, text=True, timeout=DEADLINE_S)
    assert ran.returncode == 0, ran.stderr
    seen = json.loads(ran.stdout)
    assert seen["accepted"] == {"ok": True}
    assert seen["refused"]["ok"] is False
    assert [frame["n"] for frame in seen["frames"]] == [1, 2, 3]
    assert seen["frames"][0]["keys"] == ["view", "n", "time", "data"]

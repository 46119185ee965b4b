"""Made-up packets of Socket.IO: whatever comes, the server goes on, and who behaves is served."""

import json
import logging
from typing import Any

import pytest
import requests
import socketio
from conftest import Site
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from waiting import DEADLINE_S, wait_until

VIEWS = st.sampled_from(["overview", "connections", "connection", "events", "loop", "lab", "map", "", "x"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
WATCHES = st.fixed_dictionaries(
    {"view": VIEWS | VALUES},
    optional=dict.fromkeys(("q", "sort", "limit", "offset", "conn", "at", "speed", "mark", "more"), VALUES),
)
EVENTS = st.tuples(
    st.sampled_from(["watch", "unwatch", "frame", "connect", "disconnect"]) | st.text(), WATCHES | VALUES
)
PACKETS = st.one_of(
    st.builds(lambda number, event: f"42{number}{json.dumps(list(event))}", st.sampled_from(["", "0", "7"]), EVENTS),
    st.builds(
        lambda kind, text: kind + text,
        st.sampled_from(["0", "1", "2", "3", "4", "40", "41", "43", "45", "46"]),
        st.text(),
    ),
    st.text(),
)
"""Messages of Engine.IO (4…) with packets of Socket.IO in them, half of them nearly right."""


class Client:
    """A session by polling, as one that knows no manners holds it."""

    def __init__(self, url: str) -> None:
        self._http = requests.Session()
        self._http.trust_env = False
        self._address = f"{url}/socket.io/?EIO=4&transport=polling"
        # Sessions that have just ended may still be counted.
        opened = wait_until(lambda: (text := self._get()).startswith("0") and text, "room for a session")
        self._address += f"&sid={json.loads(opened[1:])['sid']}"
        self.post("40")

    def _get(self) -> str:
        return self._http.get(self._address, timeout=DEADLINE_S).text

    def post(self, payload: str) -> int:
        """Send packets; the status of the answer."""
        return self._http.post(self._address, data=payload.encode("utf-8", "replace"), timeout=DEADLINE_S).status_code

    def close(self) -> None:
        self._http.close()


def send_all(url: str, packets: list[str]) -> None:
    """Send these on a session of their own. A session that is cut for them is answered with a 400."""
    client = Client(url)
    assert {client.post(packet) for packet in packets} <= {200, 400}
    assert client.post("41") in (200, 400)
    client.close()


@settings(max_examples=15, suppress_health_check=list(HealthCheck))
@given(packets=st.lists(PACKETS, min_size=1, max_size=6))
def test_made_up_packets_harm_nobody(site: Site, packets: list[str], caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        send_all(site.url, packets)
    assert [one.getMessage() for one in caplog.records if one.name.startswith("echoscope")] == []
    assert site.monitor.live_failure == ""


def test_afterwards_a_viewer_is_served(site: Site) -> None:
    send_all(site.url, ['42["watch"]', "4", "42", '42["watch",{"view":"events","q":"("}]', "451-[]", "\x00"])
    frames: list[Any] = []
    with socketio.SimpleClient() as viewer:
        viewer.connect(site.url)
        assert viewer.call("watch", {"view": "overview"}) == {"ok": True}
        wait_until(lambda: frames or frames.append(viewer.receive(timeout=DEADLINE_S)) or frames, "a frame")
    assert frames[0][0] == "frame"

"""What is measured. A case returns rows of the table; every ratio is of figures from the same run."""

import io
from typing import Final
from urllib.parse import quote

import pyarrow.compute as pc
import pyarrow.csv as pa_csv

from bench.browser_cases import browser
from bench.crowd_cases import idle, many, memory, stalled, watched
from bench.download_cases import downloading, downloads
from bench.echo_cases import accepts, large, paced, peer_speed, peers
from bench.lab_cases import lab
from bench.log_cases import log
from bench.measure import Plan, Row, Speed, interleaved, ratio_row
from bench.processes import BenchError, Echoscope, echoscope, load, peer, wait_for
from bench.travel_cases import travel
from core.loopback import ask

SHAPES: Final[tuple[dict[str, int], ...]] = (
    {},
    {"connections": 500, "depth": 4},
    {"connections": 8, "size": 2**20},
    {"connections": 1000, "size": 1, "idle": 2000},
    {"connections": 50, "size": 5000, "depth": 16},
)


def exact(plan: Plan) -> list[Row]:
    """The log's sums against the load generator's, for several loads."""
    wrong: list[str] = []
    echoes = rows = last = 0
    with echoscope() as server:
        for shape in SHAPES:
            result = load(server.port, plan.seconds, **shape)
            count, last, sums = log_sums(server, last)
            counted = (result["bytes_out"], result["bytes_in"])
            echoes, rows = echoes + result["echoes"], rows + count
            if sums != counted:
                wrong.append(f"{shape}: log {sums}, generator {counted}")
            print(f"  {shape}: log {sums}, generator {counted}", flush=True)
        lost = server.get("status")["recorder"]["lost"]
    measured = "; ".join(wrong) or f"equal in {len(SHAPES)} loads: {echoes:,} echoes, {rows:,} events, {lost} lost"
    return [Row("the log's byte sums against the generator's", "equal", measured, not wrong and not lost)]


def log_sums(server: Echoscope, after: int) -> tuple[int, int, tuple[int, int]]:
    """Rows, last connection, and sums of the downloaded log of the connections after `after`, once all are closed."""
    wait_for(lambda: server.get("status")["connections"]["open"] == 0, "connections closed")
    path = f"/api/v1/events/download?format=csv&q={quote(f'conn>{after}')}"
    with ask(server.url + path, 300) as answer:
        table = pa_csv.read_csv(io.BytesIO(answer.read()))
    kinds = {kind: pc.sum(pc.equal(table["kind"], kind)).as_py() for kind in ("open", "close")}
    if kinds["open"] != kinds["close"] or not kinds["open"]:
        raise BenchError(f"the log has {kinds['open']} open and {kinds['close']} close events")
    sums = (pc.sum(table["bytes_in"]).as_py(), pc.sum(table["bytes_out"]).as_py())
    return len(table), pc.max(table["conn"]).as_py(), sums


def loader(plan: Plan) -> list[Row]:
    """`app.py load`, which checks every byte, against the C generator, which checks none; both on uvloop's server."""

    def checked() -> Speed:
        with peer("uvloop") as server:
            return Speed(load(server.port, plan.seconds, reply="echo")["echoes_per_s"])

    variants = {"app.py load": checked, "C generator": lambda: Speed(peer_speed("uvloop", plan).rate)}
    rounds = interleaved(variants, plan.repeats)
    row = ratio_row("`app.py load` against the C generator: echoes", rounds, "app.py load", "C generator", None)
    best = max(each["app.py load"].rate for each in rounds)
    return [row, Row("`app.py load`, its best run", "≥ 150,000 a second", f"{best:,.0f} a second", best >= 150_000)]


CASES: Final = {
    case.__name__: case
    for case in (
        peers,
        large,
        paced,
        accepts,
        idle,
        watched,
        many,
        memory,
        stalled,
        exact,
        log,
        downloads,
        downloading,
        loader,
        travel,
        lab,
        browser,
    )
}

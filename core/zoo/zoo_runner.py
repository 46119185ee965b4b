"""The zoo of a running dashboard: lets one animal out at a time, and remembers what was seen of each."""

import threading
from typing import Any, Final

from core.orders.exclusive import Claim, OneAtATime
from core.zoo.animals import ANIMALS, Animal, find, plan
from core.zoo.client_set import ZooError, loopback
from core.zoo.source import Source, SourceError, echo_address
from core.zoo.visit import StoppedError, Visit, VisitOrder
from core.zoo.witness import Witness

Json = dict[str, Any]

_STOP_S: Final = 5.0


class ZooRunner:
    """May be used from any thread. `orders` is shared with whatever else must not run beside an animal."""

    def __init__(self, desk: Source, orders: OneAtATime) -> None:
        self._desk = desk
        self._orders = orders
        self._lock = threading.Lock()
        self._visit: Visit | None = None
        self._thread: threading.Thread | None = None
        self._results: dict[str, Json] = {}

    def answer(self) -> Json:
        """The animals, the one that is out, the latest result of each, and what else runs (empty: nothing)."""
        with self._lock:
            visit, results = self._visit, dict(self._results)
        running = self._orders.running()
        return {
            "animals": [animal.as_dict() for animal in ANIMALS.values()],
            "running": visit.progress() if visit else None,
            "results": results,
            "busy": running.what if running is not None and visit is None else "",
            "refusal": self._refusal(),
        }

    def start(self, name: str, count: int | None, seconds: float | None, brief: bool) -> Json:
        """Let an animal out; how it does is in `answer`.

        Raises ZooError for what can't be asked for, DeskError where it has nowhere to go, BusyError while another run
        is under way.
        """
        animal = find(name)
        planned = plan(animal, count, seconds)
        host, port = self._target()
        claim = self._orders.claim(f"the zoo's {animal.name}", planned[1])
        try:
            visit = self._begin(animal, host, port, planned, brief)
            self._follow(visit, claim)
        except BaseException:
            claim.release()
            raise
        return visit.progress()

    def cancel(self) -> str:
        """Call it back; its name, or nothing when none is out."""
        with self._lock:
            visit = self._visit
        if visit is None:
            return ""
        visit.stop()
        return visit.order.animal.name

    def stop(self) -> None:
        """Call it back, and wait until it is."""
        self.cancel()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(_STOP_S)

    def _target(self) -> tuple[str, int]:
        host, port = echo_address(self._desk.status())
        try:
            loopback(host, port)
        except ZooError as error:
            raise SourceError(str(error)) from error
        return host, port

    def _refusal(self) -> str:
        try:
            self._target()
        except SourceError as error:
            return str(error)
        return ""

    def _begin(self, animal: Animal, host: str, port: int, planned: tuple[int, float], brief: bool) -> Visit:
        count, seconds = planned
        order = VisitOrder(animal=animal, host=host, port=port, count=count, seconds=seconds, brief=brief)
        return Visit(order, Witness(self._desk))

    def _follow(self, visit: Visit, claim: Claim) -> None:
        thread = threading.Thread(target=self._see, args=(visit, claim), name="zoo visit", daemon=True)
        with self._lock:
            try:
                thread.start()  # it may be one too many for the system
            except BaseException:
                visit.abandon()
                raise
            self._visit, self._thread = visit, thread

    def _see(self, visit: Visit, claim: Claim) -> None:
        """See a visit through, in a thread of its own."""
        result = visit.failed("its check broke off: the server's own log says why")
        try:
            result = visit.run()
        except StoppedError:
            result = visit.failed("called back before its end: nothing was checked")
        except (ZooError, SourceError) as error:
            result = visit.failed(str(error))
        finally:
            with self._lock:
                self._results[result["name"]] = result
                self._visit = None
            claim.release()

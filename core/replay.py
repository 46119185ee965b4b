"""The data directory of a stopped server, served to the dashboard: nothing is written, nothing listens."""

from pathlib import Path

from core.bad_value import BadValueError
from core.engine.models import MODELS
from core.export.exporter import Exporter
from core.log.read.log import JournalError, Log
from core.ring.ring import RingError
from core.service import ServiceError
from core.watch.engine import About
from core.watch.monitor import Monitor
from core.watch.then.end_of_log import LogEnd, NoEngine
from core.watch.then.past import Past


class Replay:
    """Stands where a Service stands. Made in one process, started there or in a child of it."""

    echo_address = None

    def __init__(self, directory: Path) -> None:
        """Raises ServiceError when there is no log to replay."""
        self._directory = directory
        self._exporter = Exporter()
        self.monitor: Monitor
        try:
            Past(directory, Log(directory), lambda upto: upto).span()
        except (JournalError, BadValueError) as error:
            text = str(error)
            raise ServiceError(text if str(directory) in text else f"{directory}: {text}") from error
        except OSError as error:
            raise ServiceError(f"{error.filename or directory}: {error.strerror}") from error

    def start(self) -> None:
        """Open the log. Raises ServiceError."""
        past = Past(self._directory, Log(self._directory), lambda upto: upto)
        end = LogEnd(past)
        try:
            about = end.moment().about
        except (JournalError, BadValueError) as error:
            raise ServiceError(str(error)) from error
        echo = about["echo"] or {"host": "", "port": 0}
        told = About(tuple(MODELS), about["reply"] or "", about["workers"] or 0, echo["host"], echo["port"])
        try:
            self.monitor = Monitor(end, past, told, NoEngine(about["model"] or ""), self._exporter, _no_note)
        except (OSError, RingError) as error:
            raise ServiceError(str(error)) from error

    def stop_serving(self, timeout: float) -> None:
        """There is nobody to serve."""

    def stop(self) -> None:
        """Give the files back."""
        self._exporter.stop()
        self.monitor.close()


def _no_note(_model: str) -> None:
    """No model is ever switched to."""

"""The event-loop server: accepts, visits and closes connections. Begin with `server.py`; `visits.py` is the hot path."""

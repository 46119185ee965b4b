"""The event-loop server: takes connections in, visits them, closes them.

Begin with `server.py`; `visits.py` is the hot path, `connection.py` a connection without I/O.
"""

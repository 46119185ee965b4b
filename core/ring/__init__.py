"""The ring: the catalogue of events, and memory-mapped files that a loop writes into without ever waiting.

It knows bytes; never sockets, Arrow or the log. Begin with `events.py` (what may be recorded), then `ring.py`.
"""

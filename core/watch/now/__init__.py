"""The present: what is folded from the rings twenty times a second, and the answers made of it.

Begin with `watch_thread.py`, then `table.py`; what live events look at is in `recent.py`.
"""

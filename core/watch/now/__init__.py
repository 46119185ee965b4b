"""The present: what is folded from the rings twenty times a second, and the answers made of it.

Begin with `pump.py`, then `table.py`.
"""

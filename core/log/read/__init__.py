"""Readers of the log, in any process, while it is written or long after.

Begin with `log.py`; `index.py` knows what is where, `scan.py` walks over it, `verify.py` checks that it is whole.
"""

"""Clients of the echo server: the load generator and the interactive one. They know the echo protocol only.

Begin with `load.py`; `reply_check.py` checks every byte of every reply.
"""

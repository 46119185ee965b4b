"""Readiness: one small interface, one backend a system call. Begin with `poller.py`."""

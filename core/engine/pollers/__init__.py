"""Readiness: one small interface, `poller.py`, and one file a backend.

A backend owns the kernel's handle and nothing else. `backends.py` has them by name.
"""

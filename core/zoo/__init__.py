"""Badly behaved clients, each let loose on purpose, watched, and checked against what is expected of the server.

The zoo sees the server from outside. Begin with `animals.py`, then `visit.py`.
"""

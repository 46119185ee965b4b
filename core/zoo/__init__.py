"""Badly behaved clients, each let loose on purpose, watched, and checked against what is expected of the server."""

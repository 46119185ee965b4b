"""Clients of the echo server: the load generator and the interactive one."""

"""Servers in worker processes. `workers.py` starts and supervises them, `worker.py` is what runs in each.

What they share: the limit of connections (`places.py`) and the port (`accept_queues.py` counts who waits there).
"""

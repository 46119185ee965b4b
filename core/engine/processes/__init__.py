"""Servers in worker processes: `workers.py` starts and supervises them, `worker.py` is what runs in each."""

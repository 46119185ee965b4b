"""Faults in an event-loop server: connections whose replies wait for their faults, and who puts them on and off.

Begin with `faulting.py`; `faulted.py` is a connection under faults, without I/O. What a fault does is in core/faults.
"""

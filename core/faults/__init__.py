"""Faults on real connections: which kinds there are, whom an order concerns, how the command line asks for them.

Begin with `fault_order.py`, what is ordered; `effect.py` says what a fault can do to one connection, without I/O.
"""

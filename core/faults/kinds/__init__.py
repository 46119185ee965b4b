"""The kinds of faults, a file each: its attributes with their units, and its effect on one connection.

Begin with `latency_fault.py`. All kinds are listed by name one folder up; attributes are named as Toxiproxy names them.
"""

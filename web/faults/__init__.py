"""Faults over HTTP. Begin with `fault_routes.py`; what a fault is stands in core/faults."""

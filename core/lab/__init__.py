"""The lab: the models of waiting compared on this machine, each in a server process of its own.

Begin with `run.py`; `plan.py` says what is measured, `measure.py` makes one measurement.
"""

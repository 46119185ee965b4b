"""The past: checkpoints, the charts' history, and the state at any moment that the log holds.

Begin with `past.py`.
"""

"""The event loop: registrations, timers, turns, and what a turn cost. It never looks at bytes.

Begin with `loop.py`.
"""

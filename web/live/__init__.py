"""Live updates over Socket.IO: who watches what, and what each is sent.

Begin with `live.py`; `frames.py` decides which frame is due to whom.
"""

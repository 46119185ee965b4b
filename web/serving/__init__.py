"""The dashboard under gunicorn and Engine.IO, and the one place with the private names of both.

Begin with `serving.py`; `thread_worker.py` is why slow clients hold no thread, `engine_io.py` what a session is.
"""

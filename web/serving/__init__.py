"""The dashboard under gunicorn, and the one place with gunicorn's names. Begin with `serving.py`."""

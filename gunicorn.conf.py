"""For `gunicorn -c gunicorn.conf.py`: the same server as `app.py serve`, its options in ECHOSCOPE_* variables."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import app

globals().update(app.gunicorn_settings())

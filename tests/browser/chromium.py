"""Which Chromium the tests and the pictures use, and how it is started."""

import os
import shutil

PROGRAMS = ("chromium-headless-shell", "chromium")
"""The first that is there: the same engine, but a page costs the shell a third of what it costs the whole browser."""

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def program() -> str:
    """Path of ECHOSCOPE_CHROMIUM or of one of PROGRAMS; empty when there is none."""
    wanted = os.environ.get("ECHOSCOPE_CHROMIUM")
    return wanted or next(filter(None, map(shutil.which, PROGRAMS)), "")

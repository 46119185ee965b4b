"""The interpreter for processes of our own."""

import os
import sys
from typing import Final

EXECUTABLE: Final = None if os.access(sys.executable, os.X_OK) else "/proc/self/exe"
"""For subprocess.Popen beside `sys.executable` as the first argument; None: that is the file.

A service that gave up its rights may run from a folder that it can no longer look into; its own program it can start
all the same (proc(5)).
"""

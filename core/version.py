"""What this is."""

from typing import Final

NAME: Final = "echoscope"
VERSION: Final = "0.1.0"

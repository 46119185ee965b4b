"""The echo server, its record and its watch; nothing here knows of the web."""

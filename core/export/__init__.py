"""The rows as files: the formats, the process that makes downloads, and `app.py log`.

It knows the log; never the watch or Flask. Begin with `formats.py`, then `exporter.py` or `log_command.py`.
"""

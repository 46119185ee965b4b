"""The rows as files: one writer a format, the process that makes downloads, and `app.py log`.

It knows the log; never the watch or Flask. Begin with `exporter.py`, for the command line with `log_command.py`.
"""

"""The log of a data directory: what its files hold, who writes them, who reads them.

It knows rows; never sockets or Flask. Begin with `format/schema.py`, then `write/journal.py` and `read/log.py`.
"""

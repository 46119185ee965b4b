"""The log of a data directory: what its files hold (`format/`), who writes them (`write/`) and who reads them (`read/`).

It knows rows; never sockets or Flask. Begin with `format/schema.py`.
"""

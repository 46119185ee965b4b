"""The writer of the log: appends, ends, seals and drops segments, and makes a log whole after a crash.

Begin with `journal.py`. A data directory has one writer; readers never wait for it.
"""

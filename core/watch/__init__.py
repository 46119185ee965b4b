"""The watch understands: it turns records into tables, series and answers. It never looks at sockets.

`monitor.py` is the one face that the web sees; `now/`, `then/` and `kernel/` are what its answers are made of.
"""

"""The engine runs the echo server, whatever its model. It knows the kernel and where to write a record.

It never knows who reads the record, Flask, or files of the log. Begin with `models.py`, which makes a server by name.
"""

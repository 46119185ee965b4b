"""The models that ask no poller: their threads block in the calls themselves.

Begin with `blocking.py`; `conversation.py` is one connection.
"""

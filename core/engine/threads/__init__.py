"""The models that ask no poller: threads that block in the calls themselves. Begin with `blocking.py`."""

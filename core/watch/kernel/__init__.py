"""What the kernel says of a connection, and what follows from it. Begin with `facts.py`, then `verdict.py`."""

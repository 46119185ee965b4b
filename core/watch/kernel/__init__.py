"""What the kernel says of a connection, and what follows from it.

Begin with `facts.py` (bytes in, facts out), then `verdict.py` (who holds a connection up).
"""

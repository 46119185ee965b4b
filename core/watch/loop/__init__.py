"""What the loops do turn by turn, read from the files in which they keep their last turns.

Begin with `loops.py`, then `turns.py`.
"""

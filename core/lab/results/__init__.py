"""What a run came to: figures, comparisons, words, a table, and the saved runs. Begin with `figures.py`."""

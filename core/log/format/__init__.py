"""What the log's files hold: rows, the hot Arrow stream, the sealed Parquet file, summaries, rows as text.

Begin with `schema.py`; `hot_segment.py` and `parquet_segment.py` are the two forms of a segment.
"""

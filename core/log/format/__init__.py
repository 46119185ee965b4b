"""What a segment of the log looks like: the rows, the hot Arrow stream, the sealed Parquet file, the summaries.

Begin with `schema.py`; `hot_segment.py` and `parquet_segment.py` are the two forms.
"""

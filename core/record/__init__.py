"""What the loop did, as bytes and rows: the ring, the log, the filter language and the exports."""

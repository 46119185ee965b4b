"""The watch understands: it turns records into tables, series and answers, and never looks at sockets."""

"""The engine runs: poller, loop, connection, server. It knows the kernel and where to write records."""

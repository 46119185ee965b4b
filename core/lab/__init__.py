"""The lab: the models of waiting compared on this machine, each in a server process of its own."""

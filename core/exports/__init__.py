"""Downloads made in processes of their own, at the lowest priority: they never hold up the echo or the pump."""

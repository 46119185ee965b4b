"""What is wrong with a value that someone has given: told to them, and to nobody else."""


class BadValueError(ValueError):
    """One clear line that names the value. Any other ValueError is a fault of the program."""

"""`app.py user`: who may sign in to the dashboard of a data directory."""

import getpass
import sys
from pathlib import Path

from web.access.users import Users, UsersError


def add(directory: Path, name: str, role: str) -> None:
    """Make a user, or change one; the password is asked for, or read from standard input. Raises UsersError."""
    is_new = Users(directory).add(name, role, _password())
    print(f"{'added' if is_new else 'changed'} {name} ({role})")


def show(directory: Path) -> None:
    """Print a line for each user. Raises UsersError."""
    for name, role in sorted(Users(directory).roles().items()):
        print(f"{name}\t{role.text}")


def remove(directory: Path, name: str) -> None:
    """Remove a user. Raises UsersError."""
    if not Users(directory).remove(name):
        raise UsersError(f"there is no user {name!r}")
    print(f"removed {name}")


def _password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    password = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != password:
        raise UsersError("the two passwords are not the same")
    return password

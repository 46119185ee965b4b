"""The users file of a data directory: names, roles, and passwords hashed with argon2."""

import hashlib
import json
import threading
from pathlib import Path
from typing import Any, Final

from core.durable import write_durably
from web.access.roles import ROLES, Role

FILE: Final = "users.json"
LONGEST_NAME: Final = 64
LONGEST_PASSWORD: Final = 1024
_MODE: Final = 0o600


class UsersError(Exception):
    """Why the users file can't be read or changed, in one line."""


class Users:
    """The users as the file has them now: it is read again when it has changed. May be used from any thread."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / FILE
        self._lock = threading.Lock()
        self._stamp: tuple[int, int, int] | None = None
        self._users: dict[str, dict[str, str]] = {}
        self._hasher: Any = None

    def roles(self) -> dict[str, Role]:
        """Each user's role by name. Raises UsersError."""
        return {name: ROLES[user["role"]] for name, user in self._read().items()}

    def role(self, name: str) -> Role | None:
        """The role of a user; None when there is none of that name. Raises UsersError."""
        user = self._read().get(name)
        return None if user is None else ROLES[user["role"]]

    def mark(self, name: str) -> str:
        """What changes with a user's password. Raises UsersError."""
        return hashlib.sha256(self._read().get(name, {}).get("hash", "").encode()).hexdigest()[:16]

    def verify(self, name: str, password: str) -> bool:
        """Whether that is the user's password; it takes as long for a name that nobody has. Raises UsersError."""
        from argon2.exceptions import Argon2Error, InvalidHashError

        if len(password) > LONGEST_PASSWORD:
            return False
        user = self._read().get(name)
        with self._lock:  # one at a time: each takes 64 MiB
            hasher = self._argon2()
            try:
                return bool(hasher.verify(user["hash"] if user else self._nobody, password)) and user is not None
            except (Argon2Error, InvalidHashError):
                return False

    def add(self, name: str, role: str, password: str) -> bool:
        """Make a user, or give one another role and password; whether the name is new. Raises UsersError."""
        if not 0 < len(name) <= LONGEST_NAME or not name.isprintable() or name != name.strip():
            raise UsersError(f"{name[:LONGEST_NAME]!r} is not a name of 1 to {LONGEST_NAME} printable characters")
        if role not in ROLES:
            raise UsersError(f"unknown role {role!r}; known: {', '.join(ROLES)}")
        if not 8 <= len(password) <= LONGEST_PASSWORD:
            raise UsersError(f"a password has 8 to {LONGEST_PASSWORD} characters, not {len(password)}")
        users = dict(self._read())
        is_new = name not in users
        with self._lock:
            users[name] = {"role": role, "hash": self._argon2().hash(password)}
        self._write(users)
        return is_new

    def remove(self, name: str) -> bool:
        """Remove a user; whether there was one. Raises UsersError."""
        users = dict(self._read())
        if users.pop(name, None) is None:
            return False
        self._write(users)
        return True

    def _argon2(self) -> Any:
        if self._hasher is None:
            from argon2 import PasswordHasher

            self._hasher = PasswordHasher()
            self._nobody = self._hasher.hash("the password of nobody")
        return self._hasher

    def _read(self) -> dict[str, dict[str, str]]:
        with self._lock:
            try:
                stat = self._path.stat()
                stamp = stat.st_mtime_ns, stat.st_size, stat.st_ino
                if stamp != self._stamp:
                    self._users = _checked(json.loads(self._path.read_text(encoding="utf-8")))
                    self._stamp = stamp
            except FileNotFoundError:
                self._users, self._stamp = {}, None
            except (OSError, ValueError) as error:
                raise UsersError(f"{self._path}: {error}") from error
            return self._users

    def _write(self, users: dict[str, dict[str, str]]) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            write_durably(self._path, json.dumps({"users": users}, indent=1) + "\n", mode=_MODE)
        except OSError as error:
            raise UsersError(f"{self._path}: {error.strerror}") from error


def _checked(content: Any) -> dict[str, dict[str, str]]:
    users = content.get("users") if isinstance(content, dict) else None
    if not isinstance(users, dict):
        raise ValueError('it has no "users"')
    for name, user in users.items():
        if not isinstance(user, dict) or user.get("role") not in ROLES or not isinstance(user.get("hash"), str):
            raise ValueError(f"user {name!r} has no role and hash")
    return users

"""TLS on a socket that never waits: the standard library's `ssl` over memory, as if the socket itself encrypted.

Who serves the connection sees payload only, and no call but `recv_into` and `send` differs from a plain socket's. What
OpenSSL has encrypted and the kernel has not taken is kept here; the payload in it counts as sent once all of it has
gone, so that a queue is empty only when the peer can have everything.
"""

import re
import socket
import ssl
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, cast

from core.ring.events import Reason

HANDSHAKE_S: Final = 10.0
"""Seconds that a handshake may take."""
ALPN: Final = ("echo",)
"""Offered to clients that ask for a protocol (RFC 7301)."""

_RECEIVE_SIZE: Final = 65_536
_SEAL_SIZE: Final = 65_536
"""Payload that is encrypted before the kernel is asked to take it."""
_REASONS: Final = {
    "WRONG_VERSION_NUMBER": Reason.TLS_NOT_TLS,
    "HTTP_REQUEST": Reason.TLS_NOT_TLS,
    "HTTPS_PROXY_REQUEST": Reason.TLS_NOT_TLS,
    "UNKNOWN_PROTOCOL": Reason.TLS_NOT_TLS,
    "UNSUPPORTED_PROTOCOL": Reason.TLS_VERSION,
    "VERSION_TOO_LOW": Reason.TLS_VERSION,
    "NO_SHARED_CIPHER": Reason.TLS_CIPHER,
    "DECRYPTION_FAILED_OR_BAD_RECORD_MAC": Reason.TLS_BAD_RECORD,
    "BAD_RECORD_TYPE": Reason.TLS_BAD_RECORD,
    "PACKET_LENGTH_TOO_LONG": Reason.TLS_BAD_RECORD,
    "UNEXPECTED_EOF_WHILE_READING": Reason.TLS_TRUNCATED,
    "TLSV1_ALERT_UNKNOWN_CA": Reason.TLS_ALERT_UNKNOWN_CA,
    "SSLV3_ALERT_BAD_CERTIFICATE": Reason.TLS_ALERT_CERTIFICATE,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": Reason.TLS_ALERT_CERTIFICATE,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": Reason.TLS_ALERT_CERTIFICATE,
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": Reason.TLS_ALERT_CERTIFICATE,
}


class TlsError(OSError):
    """TLS has failed on a connection; `reason` is the code of the close reason."""

    def __init__(self, error: ssl.SSLError) -> None:
        super().__init__(error.errno, error.reason or str(error))
        name = error.reason or ""
        self.reason = _REASONS.get(name, Reason.TLS_ALERT if re.search("_ALERT_", name) else Reason.TLS_ERROR)


def make_context(cert: str, key: str, keylog: str = "") -> ssl.SSLContext:
    """A server's context, from files. Raises OSError (ssl.SSLError included) for what can't be used."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key, password=lambda: "")  # one that needs a password is refused, not asked for
    context.options |= ssl.OP_NO_RENEGOTIATION
    context.set_alpn_protocols(list(ALPN))
    context.sni_callback = _keep_name
    if keylog:
        Path(keylog).touch(mode=0o600)
        context.keylog_filename = keylog
    return context


def _keep_name(tls: Any, name: str | None, _context: ssl.SSLContext) -> None:
    tls.asked_name = name or ""


class TlsSocket(socket.socket):
    """The server's end of a connection. Payload in, payload out; never blocks, raises BlockingIOError instead."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, ready: Callable[[], None]) -> None:
        """Take the place of the non-blocking `sock`. `ready` is called when the handshake is over."""
        super().__init__(sock.family, sock.type, sock.proto, sock.detach())
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = cast(Any, context.wrap_bio(self._incoming, self._outgoing, server_side=True))
        self._tls.asked_name = ""
        self._ready = ready
        self._is_ready = False
        self._unsent = b""
        self._promised = 0
        self._failure: OSError | None = None
        self.held = False
        """Whether there may be something to read that no readiness will tell of."""
        self.is_called = False
        """Whether somebody is to read what is held."""

    def feed(self, data: bytes) -> None:
        """What was read of the connection before it became this one."""
        self._incoming.write(data)

    def facts(self) -> dict[str, str | int]:
        """Version, cipher, the name that the client asked for, and the protocol that was agreed on."""
        cipher = self._tls.cipher()
        return {
            "tls_here": self._tls.version() or "",
            "cipher": cipher[0] if cipher else "",
            "sni": self._tls.asked_name,
            "alpn": self._tls.selected_alpn_protocol() or "",
        }

    def recv_into(self, buffer: Any, nbytes: int = 0, flags: int = 0) -> int:
        """Payload, until the buffer is full or no more has come; 0: the peer has ended its side. Raises OSError."""
        if self._failure is not None:
            raise self._failure
        view, got = memoryview(buffer), 0
        self.held = False
        try:
            while got < len(view):
                count = self._read(view[got:])
                if count is None:
                    break
                if not count:
                    self.held = got > 0  # the end, which the kernel may not tell of
                    return got
                got += count
            else:
                self.held = self._tls.pending() > 0 or self._incoming.pending > 0
        except OSError as error:
            if not got:
                raise
            self._failure, self.held = error, True
        if not got:
            raise BlockingIOError
        return got

    def _read(self, view: memoryview) -> int | None:
        """Bytes of payload; 0: the peer has ended its side; None: no more has come."""
        while True:
            try:
                if not self._is_ready:
                    self._tls.do_handshake()
                    self._is_ready = True
                    self._flush()
                    self._ready()
                return int(self._tls.read(len(view), view))
            except ssl.SSLWantReadError:
                self._flush()
                if not self._receive():
                    return None
            except ssl.SSLEOFError as error:
                if self._is_ready:  # without a close_notify, as many clients end
                    return 0
                raise TlsError(error) from None
            except ssl.SSLError as error:
                with suppress(OSError):
                    self._flush()  # the alert that says why
                raise TlsError(error) from None

    def _receive(self) -> bool:
        try:
            data = self.recv(_RECEIVE_SIZE)
        except BlockingIOError:
            return False
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()
        return True

    def send(self, data: Any, flags: int = 0) -> int:
        """Bytes of payload that have gone. What is offered next must begin with those that have not."""
        view, done = memoryview(data), 0
        if not self._is_ready or not self._flush():
            raise BlockingIOError
        # Faults may let less go now than was encrypted: the rest has gone too, and is told of the next time.
        done = min(self._promised, len(view))
        self._promised -= done
        while done < len(view):
            sealed = 0
            try:
                while sealed < _SEAL_SIZE and done + sealed < len(view):
                    sealed += self._tls.write(view[done + sealed : done + _SEAL_SIZE])
            except ssl.SSLError as error:
                raise TlsError(error) from None
            if not self._flush():
                self._promised = sealed
                break
            done += sealed
        if not done:
            raise BlockingIOError
        return done

    def sendmsg(self, buffers: Iterable[Any], *_: Any) -> int:
        """As `send`, of several pieces."""
        return self.send(b"".join(buffers))

    def _flush(self) -> bool:
        """Offer the kernel what is encrypted; whether it has taken all."""
        if self._outgoing.pending:
            self._unsent += self._outgoing.read()
        while self._unsent:
            try:
                sent = super().send(self._unsent)
            except BlockingIOError:
                return False
            self._unsent = self._unsent[sent:]
        return True

    def shutdown(self, how: int) -> None:
        """End our side, after a close_notify."""
        self._say_end()
        super().shutdown(how)

    def close(self) -> None:
        """Close it, after a close_notify if there is room for one."""
        self._say_end()
        super().close()

    def _say_end(self) -> None:
        if not self._is_ready or self.fileno() < 0:
            return
        # It has been said, or nobody can hear it any more.
        with suppress(OSError, ValueError):
            self._tls.unwrap()
        with suppress(OSError):
            self._flush()

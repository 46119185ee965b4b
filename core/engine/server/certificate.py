"""The certificate of the echo port: one that was given, or one that is made at the first start."""

import hashlib
import os
import ssl
import subprocess
from pathlib import Path
from typing import Final

_DAYS: Final = 3650
_TIMEOUT_S: Final = 30.0
_NAMES: Final = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"


class TlsFilesError(Exception):
    """Why there is no certificate, in one line."""


def own_certificate(directory: Path) -> tuple[Path, Path]:
    """The files of the certificate and of the key that a data directory has; made when they are not there.

    Raises TlsFilesError.
    """
    cert, key = directory / "tls-cert.pem", directory / "tls-key.pem"
    if cert.exists() and key.exists():
        return cert, key
    fresh = cert.with_suffix(".partial"), key.with_suffix(".partial")
    command = [
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-subj", "/CN=echoscope", "-addext", _NAMES, "-days", str(_DAYS)),
        *("-out", str(fresh[0]), "-keyout", str(fresh[1])),
    ]
    try:
        os.close(os.open(fresh[1], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)  # noqa: S603
    except FileNotFoundError as error:
        why = "--tls auto needs the program openssl; without it, name files with --tls-cert and --tls-key"
        raise TlsFilesError(why) from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TlsFilesError(f"--tls auto: {error}") from error
    if done.returncode:
        raise TlsFilesError(f"--tls auto: openssl: {(done.stderr.strip().splitlines() or ['it failed'])[-1]}")
    for made, path in zip(reversed(fresh), (key, cert), strict=True):
        made.rename(path)
    return cert, key


def fingerprint(cert: Path) -> str:
    """SHA-256 of the first certificate of a file, as `openssl x509 -fingerprint` writes it. Raises TlsFilesError."""
    begin, end = "-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----"
    try:
        text = cert.read_text("ascii", errors="replace")
        first = text[text.index(begin) : text.index(end) + len(end)]
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(first)).digest().hex(":").upper()
    except OSError as error:
        raise TlsFilesError(f"{cert}: {error.strerror}") from error
    except ValueError as error:
        raise TlsFilesError(f"{cert}: no certificate in PEM") from error

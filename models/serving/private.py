"""What other users of the machine must not get: the servers' secrets, and the folder that Ray works in."""

from __future__ import annotations

import os
import secrets
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import MutableMapping, Optional

TOKEN = "MTA_SERVING_TOKEN"
TOKEN_FILE = "MTA_SERVING_TOKEN_FILE"


class PrivacyError(ValueError):
    """A secret that others could read, or that cannot reach every machine."""


@dataclass(frozen=True)
class Private:
    """A folder that only its owner can enter, and the file in it that holds the token of clients."""

    folder: Path
    #: Read by each replica: an argument or a variable of a replica would be kept in Ray's store. None: no token is asked for.
    token_file: Optional[Path]

    def remove(self) -> None:
        """Removes the folder with all secrets; a token file of the user's own stays."""
        shutil.rmtree(self.folder, ignore_errors=True)


def prepare(environment: MutableMapping[str, str], address: Optional[str], is_open: bool = False) -> Private:
    """Makes the private folder and sets up Ray's own authentication; call it before `ray` is imported.

    `address`: a Ray cluster that runs already, whose token is the user's; None: one of our own, which gets a new token.
    Takes the token of clients out of the environment. Raises `PrivacyError`.
    """
    token = environment.pop(TOKEN, None)
    given = environment.pop(TOKEN_FILE, None)
    if given is not None:
        check_private(Path(given))
    elif address is not None and not is_open:
        raise PrivacyError(f"On the Ray cluster {address} every machine must read the token itself. Write it into a file "
                           f"that has the same path on each (mode 600) and name it in {TOKEN_FILE}.")
    # Short: the paths of Ray's sockets in it may have 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="mta-", dir="/tmp" if os.path.isdir("/tmp") else None))
    environment.setdefault("RAY_AUTH_MODE", "token")
    if address is None:
        environment["RAY_AUTH_MODE"] = "token"
        # Without clusters (Ray's own choice on Windows and macOS) all of its servers listen on the loopback address only.
        environment["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
        environment.pop("RAY_AUTH_TOKEN", None)
        environment["RAY_AUTH_TOKEN_PATH"] = str(write_secret(folder / "ray-token", secrets.token_hex(32)))
    if given is not None:
        return Private(folder, Path(given).resolve())
    return Private(folder, None if is_open else write_secret(folder / "token", token or secrets.token_urlsafe(32)))


def write_secret(path: Path, text: str) -> Path:
    """Writes a file that nobody else can read, at no moment."""
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    return path


def check_private(path: Path) -> None:
    """Raises `PrivacyError` unless the file exists and only its owner can read it."""
    if not path.is_file():
        raise PrivacyError(f"{TOKEN_FILE} names {path}, which is not a file.")
    mode = stat.S_IMODE(path.stat().st_mode)
    if mode & 0o077:
        raise PrivacyError(f"{path} has mode {mode:o}: others can read the token in it. Run: chmod 600 {path}")


def read_token(path: Optional[str]) -> Optional[str]:
    """The token of clients; None where none is asked for. Raises `PrivacyError` for an empty one."""
    if path is None:
        return None
    token = Path(path).read_text(encoding="utf-8").strip()
    if not token:
        raise PrivacyError(f"{path} holds no token.")
    return token

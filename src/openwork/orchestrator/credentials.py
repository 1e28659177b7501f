"""The host's tokens, made once and kept: a link that worked yesterday works today.

File: ``<data dir>/credentials.json`` (0600): ``{collaboratorToken, hostToken, ownerToken}``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from openwork.common import log
from openwork.common.files import read_json_object, write_private_json
from openwork.common.ids import new_access_token

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Credentials:
    """The tokens of one data folder.

    Attributes:
        collaborator: For routine remote use.
        host: For whoever runs this machine: approvals, tokens.
        owner: Also answers permission prompts; "" until the server has issued it.
    """

    collaborator: str
    host: str
    owner: str = ""


def credentials_path(data_dir: Path) -> Path:
    """The file of a data folder's tokens."""
    return data_dir / "credentials.json"


def load_credentials(data_dir: Path, *, collaborator: str = "", host: str = "") -> Credentials:
    """The kept tokens; ones given by the user win and are not kept.

    Raises:
        OpenWorkError: ``file_damaged``.
    """
    kept = read_json_object(credentials_path(data_dir)) or {}
    credentials = Credentials(
        str(kept.get("collaboratorToken") or new_access_token()),
        str(kept.get("hostToken") or new_access_token()),
        str(kept.get("ownerToken") or ""),
    )
    if not (kept.get("collaboratorToken") and kept.get("hostToken")):
        save_credentials(data_dir, credentials)
    credentials = Credentials(
        collaborator or credentials.collaborator, host or credentials.host, credentials.owner
    )
    for secret in (credentials.collaborator, credentials.host, credentials.owner):
        log.hide(secret)
    return credentials


def save_credentials(data_dir: Path, credentials: Credentials) -> None:
    """Keep the tokens."""
    write_private_json(
        credentials_path(data_dir),
        {
            "collaboratorToken": credentials.collaborator,
            "hostToken": credentials.host,
            "ownerToken": credentials.owner,
        },
    )


def save_owner_token(data_dir: Path, owner: str) -> None:
    """Keep a newly issued owner token beside what is kept already."""
    log.hide(owner)
    kept = load_credentials(data_dir)
    save_credentials(data_dir, Credentials(kept.collaborator, kept.host, owner))

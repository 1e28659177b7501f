"""Which host a command talks to: the one named, else the one that runs on this machine."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from openwork.common.errors import OpenWorkError, UsageError
from openwork.common.paths import default_data_dir
from openwork.orchestrator.runs import HostRun, find_run

URL_VARIABLES = ("OPENWORK_URL", "OPENWORK_SERVER_URL")


@dataclass(frozen=True)
class HostTarget:
    """A host to talk to.

    Attributes:
        url: Its server.
        token: The best bearer token known, "" for none.
        host_token: Its host token, "" for none.
        workspace_id: The workspace meant, "" for the active one.
        workspace: Its folder when the host is on this machine, else "".
    """

    url: str
    token: str
    host_token: str
    workspace_id: str
    workspace: str


def local_run(data_dir: str | None, workspace: str | None = None) -> HostRun | None:
    """The host that runs on this machine, of ``workspace`` when named."""
    folder = Path(data_dir or os.environ.get("OPENWORK_DATA_DIR") or default_data_dir())
    wanted = None if workspace is None else Path(os.path.realpath(Path(workspace).expanduser()))
    return find_run(Path(os.path.realpath(folder.expanduser())) / "run", wanted)


def named_url(url: str | None) -> str | None:
    """The host named with an option or a variable, None when none is.

    Raises:
        UsageError: It is no address.
    """
    found = ((url, "--openwork-url"), *((os.environ.get(name), name) for name in URL_VARIABLES))
    for value, origin in found:
        if value:
            _require_address(value, origin)
            return value
    return None


def _require_address(url: str, origin: str) -> None:
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in {"http", "https"} and parts.hostname and parts.port != 0
    except ValueError:  # a port that is none, an address with half a bracket
        is_address = False
    if not is_address or any(each.isspace() for each in url):
        raise UsageError(
            f"{origin}: {url!r} is not an address.",
            hint="It looks like http://127.0.0.1:8787 or http://HOST:8787/w/WORKSPACE_ID.",
        )


def find_target(
    *,
    url: str | None,
    token: str | None = None,
    host_token: str | None = None,
    data_dir: str | None = None,
    workspace: str | None = None,
) -> HostTarget:
    """The host a command talks to.

    Raises:
        OpenWorkError: ``no_host``: none was named and none runs here.
        UsageError: What was named is no address.
    """
    token = token or os.environ.get("OPENWORK_TOKEN") or ""
    host_token = host_token or os.environ.get("OPENWORK_HOST_TOKEN") or ""
    url = named_url(url)
    if url:
        base, _, mount = url.rstrip("/").partition("/w/")
        return HostTarget(base, token, host_token, mount.partition("/")[0], "")
    run = local_run(data_dir, workspace)
    if run is None:
        raise no_host(workspace)
    return HostTarget(
        run.url,
        token or run.owner_token or run.token,
        host_token or run.host_token,
        run.workspace_id,
        run.workspace,
    )


def no_host(workspace: str | None) -> OpenWorkError:
    """That no host runs here."""
    return OpenWorkError(
        "no_host",
        f"No OpenWork host runs {'on ' + workspace if workspace else 'on this machine'}.",
        hint="Start one with: openwork start   (or name one: --openwork-url URL)",
    )

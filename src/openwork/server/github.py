"""Fetching skills from GitHub: the catalogue of a repository, and one skill's files.

Everything of one answer comes from one commit: a branch is resolved once, and what follows is
addressed by the commit's hash. Addresses are the host's settings; a client chooses only names that
are checked before they become a path, and redirects are not followed.
"""

from __future__ import annotations

import asyncio
import json
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from openwork.common.errors import OpenWorkError
from openwork.common.net import is_loopback
from openwork.version import __version__
from openwork.workspace import skill_hub
from openwork.workspace.skill_hub import Fetched, HubSkill, Repository, TreeFile

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Iterable

    from aiohttp import ClientSession
    from yarl import URL

    Outcome = TypeVar("Outcome")

FRESH_FOR_S = 300.0
MAX_CATALOGUES = 8
REQUEST_TIMEOUT_S = 15.0
TOTAL_TIMEOUT_S = 60.0
MAX_TREE_BYTES = 10_000_000
CONCURRENT_REQUESTS = 8
_HINT = "Check the repository's name and the network; an unknown caller has 60 requests an hour."


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The skills of a repository at one commit.

    Attributes:
        commit: Its hash.
        tree: The files below ``skills/``.
        skills: The valid skills.
        fetched_at: Clock seconds.
    """

    commit: str
    tree: list[TreeFile]
    skills: list[HubSkill]
    fetched_at: float


class Hub:
    """Repositories of skills; each answer is kept for five minutes.

    Args:
        api_url: GitHub's REST API, without a slash at the end.
        raw_url: Where files are, ``{raw_url}/{owner}/{repo}/{commit}/{path}``.
        clock: Seconds that only grow.
    """

    def __init__(
        self, api_url: str, raw_url: str, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._api_url = api_url
        self._raw_url = raw_url
        self._clock = clock
        self._turns = asyncio.Semaphore(CONCURRENT_REQUESTS)
        self._kept: dict[Repository, Catalogue] = {}
        self._locks: dict[Repository, asyncio.Lock] = {}

    async def catalogue(self, source: Repository) -> Catalogue:
        """The skills of a repository, at most five minutes old.

        Raises:
            OpenWorkError: ``hub_fetch_failed`` 502.
        """
        lock = self._locks.setdefault(source, asyncio.Lock())
        try:
            async with lock:
                kept = self._kept.get(source)
                if kept is not None and self._clock() - kept.fetched_at < FRESH_FOR_S:
                    return kept
                async with _told_as("hub_fetch_failed", f"The skills of {source}"):
                    fetched = await self._fetch_catalogue(source)
                self._keep(source, fetched)
                return fetched
        finally:
            # One more waiter would still hold the old lock; two fetches then do no harm.
            if not lock.locked():
                self._locks.pop(source, None)

    async def skill(self, source: Repository, name: str) -> Fetched:
        """All files of one skill, checked.

        Raises:
            OpenWorkError: ``hub_skill_not_found`` 404, ``hub_fetch_failed`` or
                ``hub_install_failed`` 502.
        """
        catalogue = await self.catalogue(source)
        files = skill_hub.files_of(catalogue.tree, name)
        if not files:
            raise OpenWorkError(
                "hub_skill_not_found",
                f"{source} has no skill {name!r}.",
                hint="GET /hub/skills lists those it has.",
                status=404,
            )
        async with (
            _told_as("hub_install_failed", f"The skill {name!r} of {source}"),
            self._client() as client,
        ):
            contents = await client.each(
                source, catalogue.commit, files.values(), lambda _, data: data
            )
        modes = [file.mode or 0o644 for file in files.values()]
        fetched = Fetched(name, dict(zip(files, zip(contents, modes, strict=True), strict=True)))
        skill_hub.check_skill(fetched)
        return fetched

    async def _fetch_catalogue(self, source: Repository) -> Catalogue:
        async with self._client() as client:
            commit = await client.commit(source)
            tree = await client.tree(source, commit)
            found = await client.each(
                source, commit, skill_hub.skill_files(tree), skill_hub.describe
            )
        valid = [skill for skill in found if skill is not None]
        return Catalogue(commit, tree, valid, self._clock())

    @asynccontextmanager
    async def _client(self) -> AsyncGenerator[_Client]:
        import aiohttp  # noqa: PLC0415  # 15 MB that a server without a hub never needs

        timeout = aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
        headers = {"User-Agent": f"openwork/{__version__}"}
        async with aiohttp.ClientSession(timeout=timeout, headers=headers) as http:
            yield _Client(self._api_url, self._raw_url, self._turns, http)

    def _keep(self, source: Repository, fetched: Catalogue) -> None:
        self._kept.pop(source, None)
        self._kept[source] = fetched
        while len(self._kept) > MAX_CATALOGUES:
            self._kept.pop(next(iter(self._kept)))


@dataclass
class _Client:
    """Requests to GitHub."""

    api_url: str
    raw_url: str
    turns: asyncio.Semaphore
    session: ClientSession

    async def commit(self, source: Repository) -> str:
        """The hash that the branch, tag or commit ``source.ref`` stands for."""
        data = await self._get(
            f"{self._repository(source)}/commits/{quote(source.ref)}",
            accept="application/vnd.github.sha",
            limit_bytes=1000,
        )
        return skill_hub.parse_commit(data)

    async def tree(self, source: Repository, commit: str) -> list[TreeFile]:
        """The files below ``skills/``."""
        data = await self._get(
            f"{self._repository(source)}/git/trees/{commit}?recursive=1",
            accept="application/vnd.github+json",
            limit_bytes=MAX_TREE_BYTES,
        )
        return await asyncio.to_thread(lambda: skill_hub.parse_tree(json.loads(data)))

    async def each(
        self,
        source: Repository,
        commit: str,
        files: Iterable[TreeFile],
        use: Callable[[TreeFile, bytes], Outcome],
    ) -> list[Outcome]:
        """What ``use`` makes of the content of each file, which is checked against its hash."""

        async def one(file: TreeFile) -> Outcome:
            path = quote(f"{source.owner}/{source.repo}/{commit}/{file.path}")
            address = f"{self.raw_url}/{path}"
            data = await self._get(address, accept="*/*", limit_bytes=file.size)
            skill_hub.check_content(file, data)
            return use(file, data)

        tasks = [asyncio.create_task(one(file)) for file in files]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    def _repository(self, source: Repository) -> str:
        return f"{self.api_url}/repos/{source.owner}/{source.repo}"

    async def _get(self, address: str, *, accept: str, limit_bytes: int) -> bytes:
        from yarl import URL  # noqa: PLC0415  # comes with aiohttp

        url = URL(address, encoded=True)
        async with (
            self.turns,
            self.session.get(
                url, headers={"Accept": accept}, allow_redirects=False, proxy=proxy_for(url)
            ) as answer,
        ):
            if answer.status != 200:
                raise ValueError(f"{answer.url.host} answered {answer.status}")
            pieces: list[bytes] = []
            size = 0
            async for piece in answer.content.iter_chunked(65_536):
                size += len(piece)
                if size > limit_bytes:
                    raise ValueError(f"{answer.url.host} sent more than {limit_bytes:,} bytes")
                pieces.append(piece)
            return b"".join(pieces)


@asynccontextmanager
async def _told_as(code: str, what: str) -> AsyncGenerator[None]:
    """Turn every failure of a fetch into ``code`` 502, within the time for all of it."""
    import aiohttp  # noqa: PLC0415  # as above

    try:
        async with asyncio.timeout(TOTAL_TIMEOUT_S):
            yield
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError, RecursionError) as error:
        reason = str(error) or f"no answer in {REQUEST_TIMEOUT_S:g} s"
        raise OpenWorkError(
            code, f"{what} could not be fetched: {reason}.", hint=_HINT, status=502
        ) from error


def proxy_for(url: URL) -> str | None:
    """The proxy that ``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY`` name for an address.

    Not aiohttp's own way to them: that would also send logins of ~/.netrc.
    """
    from urllib.request import getproxies, proxy_bypass  # noqa: PLC0415  # 14 ms of every start

    host = url.host or ""
    if is_loopback(host) or proxy_bypass(host):
        return None
    named = getproxies().get(url.scheme)
    return named if not named or "://" in named else f"http://{named}"

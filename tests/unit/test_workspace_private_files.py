"""Which files hold keys by their name, and which folders may not be moved because of them."""

from __future__ import annotations

import os
import threading

import pytest

from openwork.common.errors import OpenWorkError
from openwork.workspace.batches import place_of
from openwork.workspace.bundle import travels
from openwork.workspace.file_reads import read_file
from openwork.workspace.paths import WorkspaceRoot
from openwork.workspace.private_files import (
    is_private,
    refuse_holding_private,
    refuse_overwriting_private,
)

PRIVATE = ["opencode.json", "opencode.jsonc", ".env", ".env.local", ".env-old", ".envrc", ".netrc",
           ".npmrc", ".pypirc", ".git-credentials", ".git/config", ".git/modules/a/config",
           ".git/config.worktree", ".docker/config.json", ".aws/credentials", ".kube/config",
           ".ssh/id", "id_ed25519", "server.pem", "a.p12"]  # fmt: skip


@pytest.fixture
def root(tmp_path):
    return WorkspaceRoot(tmp_path)


def refusal(place):
    with pytest.raises(OpenWorkError) as caught:
        refuse_holding_private(place)
    return caught.value.code, caught.value.status


@pytest.mark.parametrize("name", PRIVATE)
def test_a_name_is_known_however_it_is_spelled(name):
    unseen = name[:2] + "\u200c" + name[2:] + "\ufeff"
    spelled = [name, name.upper(), f"a/{name}", f"a\\{name}", f"{name}.", f"{name} ", f"{name}/",
               unseen, name.replace("s", "\u017f")]  # fmt: skip
    assert [each for each in spelled if not is_private(each)] == []
    assert not travels(name)


@pytest.mark.parametrize("name", ["env", "opencode.md", "environment", ".environment", "x.env",
                                  "opencode.jsonl", ".\u00e9nv", "npmrc", ""])  # fmt: skip
def test_other_names_are_not_private(name):
    assert not is_private(name)


def test_a_file_is_private_by_its_folder_also_through_a_link(root):
    (root.path / "repo/.git").mkdir(parents=True)
    (root.path / "repo/.git/config").write_text("url = https://key@host/x")
    (root.path / "plain").symlink_to("repo/.git")
    assert refusal(root.at("plain/config")) == ("file_access_denied", 403)
    for path in ("repo/.git/config", "plain/config"):
        shown = read_file(root.at(path), private=False).to_json()
        assert (shown["ok"], shown["code"]) == (False, "file_access_denied")


def test_a_folder_with_a_private_file_at_any_depth_is_refused(root):
    deep = root.path / "a" / "/".join(["d"] * 60)
    deep.mkdir(parents=True)
    refuse_holding_private(root.at("a"))
    (deep / ".npmrc").touch()
    assert refusal(root.at("a")) == ("file_access_denied", 403)
    assert refusal(root.at("a/d/d")) == ("file_access_denied", 403)


def test_a_link_is_moved_itself_so_what_it_leads_to_does_not_count(root):
    (root.path / "keys").mkdir()
    (root.path / "keys/.env").touch()
    (root.path / "link").symlink_to("keys")
    (root.path / "holds").mkdir()
    (root.path / "holds/link").symlink_to("../keys")
    refuse_holding_private(root.at("link"))
    refuse_holding_private(root.at("holds"))
    (root.path / "up").symlink_to(".")
    assert refusal(root.at("up/keys")) == ("file_access_denied", 403)


@pytest.mark.parametrize("path", ["opencode.json", "deep/OpenCode.JSONC", "opencode.\u200bjson"])
def test_an_engine_configuration_is_not_made_either(root, path):
    (root.path / "deep").mkdir()
    with pytest.raises(OpenWorkError) as caught:
        refuse_overwriting_private(root.at(path))
    assert caught.value.code == "file_access_denied"
    refuse_overwriting_private(root.at("deep/.env.example"))


def test_what_is_not_there_is_said_to_be_so(root):
    refuse_holding_private(root.at("none"))
    assert refusal(root.at("none/below")) == ("file_not_found", 404)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root looks into every folder")
def test_a_folder_that_cannot_be_looked_into_is_refused(root):
    (root.path / "a/closed").mkdir(parents=True)
    (root.path / "a/closed").chmod(0)
    try:
        assert refusal(root.at("a")) == ("file_access_denied", 403)
    finally:
        (root.path / "a/closed").chmod(0o755)


def test_a_link_put_in_place_of_a_file_while_it_is_read_shows_nothing(root):
    (root.path / ".env").write_text("canary")
    (root.path / "plain.txt").write_text("plain")
    stop = threading.Event()

    def turn():
        while not stop.is_set():
            for target in (".env", "plain.txt"):
                (root.path / "next").symlink_to(target)
                (root.path / "next").replace(root.path / "turning")

    turning = threading.Thread(target=turn)
    turning.start()
    try:
        place = place_of(root, "turning")
        seen = {read_file(place, private=False).to_json().get("contentBase64") for _ in range(500)}
    finally:
        stop.set()
        turning.join()
    assert seen <= {None, "cGxhaW4="}

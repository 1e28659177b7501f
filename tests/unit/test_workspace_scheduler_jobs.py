"""Jobs of the opencode-scheduler plugin: found by folder, deleted with their units."""

from __future__ import annotations

import json
import sys

import pytest

from openwork.common.errors import OpenWorkError
from openwork.workspace import scheduler_jobs as jobs

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="systemd units")


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def put(home, slug, workdir, *, scope: str | None = "s1", name=None, **more):
    base = home / ".config" / "opencode"
    folder = base / "scheduler" / "scopes" / scope / "jobs" if scope else base / "jobs"
    folder.mkdir(parents=True, exist_ok=True)
    fields = {"slug": slug, "name": name or slug, "schedule": "0 9 * * *", "workdir": str(workdir)}
    path = folder / f"{slug}.json"
    path.write_text(json.dumps({**fields, **more}))
    return path


def slugs(home, folder):
    return [job.slug for job in jobs.list_jobs(folder, home=home)]


def test_jobs_of_the_folder_win_else_the_nearest_above_or_below(home, tmp_path):
    here = tmp_path / "work" / "project"
    assert slugs(home, here) == []
    put(home, "far", tmp_path)
    put(home, "above", tmp_path / "work")
    put(home, "beside", tmp_path / "work" / "other")
    assert slugs(home, here) == ["above"]
    put(home, "b", here, name="Zebra")
    put(home, "a", here, scope=None, name="apple")
    assert slugs(home, here) == ["b", "a"]


def test_what_is_no_job_is_left_out_and_logged(home, tmp_path, caplog):
    put(home, "good", tmp_path, extra="dropped", prompt="token=abc123def456ghi789")
    folder = put(home, "x", tmp_path).parent
    (folder / "x.json").write_text("{broken")
    (folder / "list.json").write_text("[]")
    (folder / "half.json").write_text('{"slug": "h"}')
    (folder / "deep.json").write_text("[" * 100_000)
    (folder / "surrogate.json").write_text('{"slug":"s","name":"\\ud800","schedule":"x"}')
    (folder / "slash.json").write_text('{"slug":"../s","name":"n","schedule":"x"}')
    (folder / "out.json").symlink_to("/etc/hostname")
    (job,) = jobs.list_jobs(tmp_path, home=home)
    assert job.slug == "good"
    assert "extra" not in job.to_json(secrets=True)
    assert "abc123def456ghi789" not in json.dumps(job.to_json(secrets=False))
    assert len([each for each in caplog.messages if "left out" in each]) == 7


def test_a_job_is_found_by_slug_name_end_or_part_and_never_guessed(home, tmp_path):
    put(home, "proj-daily-report", tmp_path, name="Daily Report")
    put(home, "proj-weekly", tmp_path, name="Weekly report")
    found = jobs.list_jobs(tmp_path, home=home)
    for name in ("proj-daily-report", "daily-report", "Daily Report", "daily", "DAILY"):
        assert jobs.find_job(found, name).slug == "proj-daily-report", name
    with pytest.raises(OpenWorkError) as caught:
        jobs.find_job(found, "repor")
    assert caught.value.code == "job_ambiguous"
    assert "proj-weekly" in (caught.value.hint or "")
    for name in ("nothing", " ", "../..", "\0"):
        with pytest.raises(OpenWorkError) as caught:
            jobs.find_job(found, name)
        assert caught.value.code == "job_not_found", name


async def test_deleting_stops_the_timer_and_removes_every_file(home, tmp_path, monkeypatch):
    told = tmp_path / "told"
    tools = tmp_path / "bin"
    tools.mkdir()
    (tools / "systemctl").write_text(f'#!/bin/sh\necho "$@ [$OPENWORK_TOKEN]" >> {told}\nexit 1\n')
    (tools / "systemctl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("OPENWORK_TOKEN", "not-for-others")
    file = put(home, "nightly", tmp_path)
    kept = put(home, "other", tmp_path)
    units = home / ".config" / "systemd" / "user"
    units.mkdir(parents=True)
    for name in ("opencode-job-s1-nightly.timer", "opencode-job-s1-nightly.service", "mine.timer"):
        (units / name).write_text("")
    job = jobs.find_job(jobs.list_jobs(tmp_path, home=home), "nightly")
    assert set(jobs.job_files(job, home=home)) == {
        file, units / "opencode-job-s1-nightly.timer", units / "opencode-job-s1-nightly.service"
    }  # fmt: skip
    await jobs.delete_job(job, home=home)
    assert not file.exists()
    assert kept.exists()
    assert [each.name for each in units.iterdir()] == ["mine.timer"]
    first, second = told.read_text().splitlines()
    assert first.startswith("--user disable --now opencode-job-s1-nightly.timer")
    assert second == "--user daemon-reload []"


async def test_a_machine_without_a_service_manager_is_fine(home, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    file = put(home, "nightly", tmp_path)
    (job,) = jobs.list_jobs(tmp_path, home=home)
    await jobs.delete_job(job, home=home)
    assert not file.exists()


def test_other_systems_are_told(home, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(OpenWorkError) as caught:
        jobs.list_jobs(tmp_path, home=home)
    assert caught.value.code == "scheduler_unsupported"

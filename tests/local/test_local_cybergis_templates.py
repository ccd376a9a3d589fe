"""Job templates of the local service's CyberGIS side: git repositories, folders, and manifests of strangers."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from support.v2_calls import template

from acomps.local.cybergis.manifests import read_manifest
from acomps.local.cybergis.settings import TemplateSource
from acomps.local.cybergis.templates import AGE_S, FAILED_S, Templates
from acomps.local.errors import Refused

VARIABLES = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}


def git(folder: Path, *arguments: str) -> str:
    """What git says, as a committer of its own."""
    who = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "protocol.file.allow=always")
    done = subprocess.run(["git", *who, *arguments], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def commit(repository: Path, **manifest: object) -> str:
    """A commit with another manifest; its id."""
    (repository / "manifest.json").write_text(json.dumps({"execution_stage": "true", **manifest}))
    git(repository, "add", ".")
    git(repository, "commit", "--quiet", "-m", "next")
    return git(repository, "rev-parse", "HEAD")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with one commit on main."""
    folder = tmp_path / "repository"
    folder.mkdir()
    git(folder, "init", "--quiet", "--initial-branch=main")
    commit(folder, name="first")
    return folder


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def templates(tmp_path: Path, *sources: TemplateSource, clock: Clock | None = None) -> Templates:
    """Templates with a folder of their own for clones."""
    return Templates(sources, tmp_path / "clones", VARIABLES, monotonic=clock or Clock())


async def test_a_repository_is_looked_at_again_when_the_last_look_has_aged(tmp_path: Path, repository: Path) -> None:
    clock = Clock()
    known = templates(tmp_path, TemplateSource(name="a", git=f"file://{repository}"), clock=clock)
    first = await known.get("a")
    assert first.manifest.document["name"] == "first"
    assert not (first.folder / ".git").exists()
    newer = commit(repository, name="second")
    assert (await known.get("a")).commit == first.commit
    clock.now += AGE_S + 1
    second = await known.get("a")
    assert (second.commit, second.manifest.document["name"]) == (newer, "second")
    assert first.folder.is_dir(), "a job may still copy it"
    commit(repository, name="third")
    clock.now += AGE_S + 1
    await known.get("a")
    assert sorted(os.listdir(tmp_path / "clones" / "a")) == sorted([newer, git(repository, "rev-parse", "HEAD")])


async def test_a_repository_that_is_gone_leaves_the_template_as_it_was(tmp_path: Path, repository: Path) -> None:
    clock = Clock()
    known = templates(tmp_path, TemplateSource(name="a", git=f"file://{repository}"), clock=clock)
    first = await known.get("a")
    repository.rename(tmp_path / "elsewhere")
    clock.now += AGE_S + 1
    assert await known.get("a") == first


@pytest.mark.parametrize("how", ["branch", "tag", "commit"])
async def test_a_branch_a_tag_or_a_commit_can_be_named(tmp_path: Path, repository: Path, how: str) -> None:
    old = git(repository, "rev-parse", "HEAD")
    git(repository, "branch", "stable")
    git(repository, "tag", "v1")
    git(repository, "config", "uploadpack.allowAnySHA1InWant", "true")
    commit(repository, name="newer")
    ref = {"branch": "stable", "tag": "v1", "commit": old}[how]
    found = await templates(tmp_path, TemplateSource(name="a", git=f"file://{repository}", ref=ref)).get("a")
    assert (found.commit, found.manifest.document["name"]) == (old, "first")


async def test_nothing_of_a_repository_is_run_or_followed(
    tmp_path: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "trap"
    hooks = tmp_path / "template" / "hooks"
    hooks.mkdir(parents=True)
    for name in ("post-checkout", "reference-transaction"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {trap}\n")
        (hooks / name).chmod(0o755)
    settings = tmp_path / "gitconfig"
    settings.write_text(f"[init]\ntemplateDir = {hooks.parent}\n[core]\nhooksPath = {hooks}\n")
    monkeypatch.setitem(VARIABLES, "GIT_CONFIG_GLOBAL", str(settings))
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "--quiet", "--initial-branch=main")
    commit(other)
    git(repository, "submodule", "--quiet", "add", f"file://{other}", "inner")
    commit(repository, name="with a submodule")
    found = await templates(tmp_path, TemplateSource(name="a", git=f"file://{repository}")).get("a")
    assert os.listdir(found.folder / "inner") == []
    assert not trap.exists()


async def test_a_template_that_cannot_be_had_is_left_out_and_its_password_is_not_told(
    tmp_path: Path, repository: Path, caplog: pytest.LogCaptureFixture
) -> None:
    gone = TemplateSource(name="gone", git="http://user:hunter2@127.0.0.1:9/x.git")
    bad = TemplateSource(name="bad", folder=template(tmp_path / "bad", {"name": "no stage"}))
    good = TemplateSource(name="good", git=f"file://{repository}")
    known = templates(tmp_path, gone, bad, good)
    assert [one.name for one in await known.all()] == ["hello_world", "good"]
    assert "hunter2" not in caplog.text
    assert "gone" in caplog.text
    with pytest.raises(Refused) as refusal:
        await known.get("gone")
    assert "hunter2" not in refusal.value.message


async def test_a_repository_that_cannot_be_had_is_asked_again_after_a_while(tmp_path: Path, repository: Path) -> None:
    clock = Clock()
    known = templates(tmp_path, TemplateSource(name="a", git=f"file://{repository}"), clock=clock)
    repository.rename(tmp_path / "elsewhere")
    with pytest.raises(Refused, match="git ended with code"):
        await known.get("a")
    (tmp_path / "elsewhere").rename(repository)
    with pytest.raises(Refused, match="git ended with code"):
        await known.get("a")
    clock.now += FAILED_S + 1
    assert (await known.get("a")).manifest.document["name"] == "first"


async def test_only_computing_resources_of_the_service_are_published(tmp_path: Path) -> None:
    manifest = {"execution_stage": "true", "supported_hpc": ["far_away", "near"], "default_hpc": "far_away"}
    known = templates(tmp_path, TemplateSource(name="a", folder=template(tmp_path / "a", manifest)))
    document = (await known.get("a")).document(["near", "other"])
    assert (document["supported_hpc"], document["default_hpc"]) == (["near"], "near")
    other = (await known.get("a")).document(["other"])
    assert (other["supported_hpc"], other["default_hpc"]) == (["other"], "other")


def test_rules_are_completed_as_clients_read_them(tmp_path: Path) -> None:
    slurm = {
        "time": {"default_value": 10, "unit": "Minutes"},
        "num_of_task": {"default_value": 4},
        "memory": {"default_value": 4, "unit": "stones"},
        "cpu_per_task": {"default_value": 0},
        "partition": {"default_value": "a", "options": ["b"]},
        "wishes": {"default_value": 1},
    }
    param = {
        "n": {"type": "integer", "default_value": 3, "max": 5},
        "o": {"type": "string_option", "default_value": "x", "options": ["y"]},
        "t": {"type": "string_input", "default_value": "z"},
        "empty": {"type": "string_input", "default_value": ""},
        "odd": {"type": "colour", "default_value": "red"},
    }
    folder = template(
        tmp_path / "a", {"execution_stage": "true", "slurm_input_rules": slurm, "param_rules": param, "extra": 1}
    )
    document = read_manifest(folder).document
    assert document["slurm_input_rules"] == {
        "time": {"default_value": 10, "unit": "Minutes", "max": 20, "min": 0, "step": 1},
        "num_of_task": {"default_value": 4, "unit": "None", "max": 8, "min": 0, "step": 1},
        "partition": {"default_value": "a", "options": ["b", "a"]},
    }
    assert document["param_rules"] == {
        "n": {"type": "integer", "default_value": 3, "max": 5, "min": 0, "step": 1},
        "o": {"type": "string_option", "default_value": "x", "options": ["y", "x"]},
        "t": {"type": "string_input", "default_value": "z"},
    }
    assert (document["description"], document["estimated_runtime"], document["extra"]) == ("none", "unknown", 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "is not JSON"),
        ("[]", "must be a JSON object"),
        ("[" * 100_000, "is not JSON"),
        (json.dumps({"execution_stage": "x" * 300_000}), "longer than"),
        (json.dumps({"execution_stage": ["ls"]}), "must be a shell command"),
        (json.dumps({"execution_stage": "a\0b"}), "must be a shell command"),
        (json.dumps({"execution_stage_in_raw_sbatch": "ls"}), "must be a list of lines"),
        (json.dumps({}), "no execution_stage"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(Refused) as refusal:
        read_manifest(tmp_path)
    assert said in refusal.value.message


def test_a_manifest_is_a_file_and_no_link(tmp_path: Path) -> None:
    with pytest.raises(Refused):
        read_manifest(tmp_path)
    (tmp_path / "real").write_text(json.dumps({"execution_stage": "true"}))
    (tmp_path / "manifest.json").symlink_to("real")
    with pytest.raises(Refused):
        read_manifest(tmp_path)

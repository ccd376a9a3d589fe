"""Plain HTTP calls of CyberGIS-Compute's v2 REST on a real local service."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from pathlib import Path

import httpx

from support.local_service import Record, Running, log_in, record, records, text, until

__all__ = ["V2", "refused", "template", "token_for"]

TOKEN = "jupyterhubApiToken"


def token_for(host: str, token: str) -> str:
    """The token in the form in which it travels."""
    return base64.b64encode(f"{host}@{token}".encode()).decode()


def template(folder: Path, manifest: Mapping[str, object], files: Mapping[str, str] | None = None) -> Path:
    """A job template in a folder of its own."""
    folder.mkdir(parents=True)
    (folder / "manifest.json").write_text(json.dumps(manifest))
    for name, content in (files or {}).items():
        (folder / name).write_text(content)
    return folder


class V2:
    """Somebody who is logged in."""

    def __init__(self, service: Running, name: str = "", password: str = "") -> None:
        self.http = httpx.Client(base_url=f"{service.url}/v2", timeout=30)
        self.host = service.url.removeprefix("http://")
        given = service.password
        if name:
            with httpx.Client(base_url=service.url, timeout=30) as comps:
                given = log_in(comps, name, password).headers["X-COMPS-Token"]
        self.token = token_for(self.host, given)

    def __enter__(self) -> V2:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.http.close()

    def call(self, method: str, path: str, **body: object) -> httpx.Response:
        """The answer, whatever it is."""
        return self.http.request(method, path, json={TOKEN: self.token, **body})

    def ask(self, method: str, path: str, **body: object) -> Record:
        """The object in an answer that must be a good one."""
        answer = self.call(method, path, **body)
        assert answer.status_code == 200, answer.text
        return record(answer.json())

    def rows(self, path: str) -> list[object]:
        """The list in an answer that must be a good one."""
        answer = self.call("GET", path)
        assert answer.status_code == 200, answer.text
        found: list[object] = answer.json()
        return found

    def job(self, git_id: str, hpc: str | None = None, **fields: object) -> str:
        """A new job that runs a template, not submitted."""
        job_id = text(self.ask("POST", "/job", hpc=hpc), "id")
        self.ask("PUT", f"/job/{job_id}", localExecutableFolder={"type": "git", "gitId": git_id}, **fields)
        return job_id

    def submitted(self, git_id: str, hpc: str | None = None, **fields: object) -> str:
        """A new job that waits or runs."""
        job_id = self.job(git_id, hpc, **fields)
        self.ask("POST", f"/job/{job_id}/submit")
        return job_id

    def read(self, job_id: str) -> Record:
        """A job as it is now."""
        return self.ask("GET", f"/job/{job_id}")

    def events(self, job_id: str) -> list[str]:
        """The types of a job's events, in their order."""
        return [text(event, "type") for event in records(self.read(job_id)["events"])]

    def wait(self, job_id: str, event: str = "") -> Record:
        """A job that has ended, or to which this has happened."""
        until(
            lambda: event in self.events(job_id) if event else self.read(job_id)["finishedAt"] is not None,
            f"job {job_id} gets to {event or 'its end'}",
        )
        return self.read(job_id)

    def run(self, git_id: str, hpc: str | None = None, **fields: object) -> Record:
        """A job that was run to its end."""
        return self.wait(self.submitted(git_id, hpc, **fields))

    def folder(self, job: Record, role: str) -> Path:
        """Where one of a job's folders lies."""
        return Path(text(record(job[f"remote{role}Folder"]), "hpcPath"))


def refused(answer: httpx.Response, status: int, *fragments: str) -> None:
    """Assert that an answer is a refusal in the shape that clients read, which says all of the fragments."""
    assert answer.status_code == status, answer.text
    body = record(answer.json())
    said = f"{body['error']} {body.get('messages', '')}"
    for fragment in fragments:
        assert fragment in said

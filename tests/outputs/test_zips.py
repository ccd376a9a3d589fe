"""Outputs as zips."""

from __future__ import annotations

import base64
import json
import zipfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from outputs.conftest import MIB, SMALL, Finished, finished_simulation, left_in

from acomps import NotFound, Session, UsageError
from acomps.comps.child import Service
from acomps.comps.output_zips import zip_outputs
from acomps.events import ignore
from acomps.transport import Address, Channel, Credentials, GivenCredentials


def contents(*paths: Path) -> dict[str, bytes]:
    """Everything in the zips."""
    found: dict[str, bytes] = {}
    for path in paths:
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None
            found |= {name: archive.read(name) for name in archive.namelist()}
    return found


async def test_a_zip_has_the_files_that_were_asked_for(comps: Session, finished: Finished, tmp_path: Path) -> None:
    [path] = await comps.outputs.zip(finished.simulation, ["**/*.csv", "output/large.bin"], tmp_path / "some.zip")
    names = ["output/a.csv", "output/deep/b.csv", "output/large.bin"]
    assert contents(path) == {name: finished.content(name) for name in names}
    assert left_in(tmp_path) == ["some.zip"]


async def test_a_zip_of_everything_has_everything(comps: Session, finished: Finished, tmp_path: Path) -> None:
    listed = await comps.outputs.list(finished.simulation)
    [path] = await comps.outputs.zip(finished.simulation, None, tmp_path / "deep" / "all.zip")
    assert contents(path) == {file.path: finished.content(file.path) for file in listed}


async def test_what_is_too_much_for_one_zip_goes_on_in_another(
    service: Service, comps: Session, finished: Finished, tmp_path: Path
) -> None:
    files = await comps.outputs.list(finished.simulation, ["output/*.*"])
    prompt = GivenCredentials(Credentials(service.username, service.password))
    async with Channel(Address.parse(service.url), comps.settings, prompt) as channel:
        paths = await zip_outputs(
            channel, finished.simulation, files, tmp_path / "x.zip", None, ignore, zip_bytes=10 * MIB
        )
        assert [path.name for path in paths] == ["x.zip", "x-2.zip"]
        assert contents(*paths) == {file.path: finished.content(file.path) for file in files}
        with pytest.raises(UsageError, match="a zip holds 20,000: download it"):
            await zip_outputs(channel, finished.simulation, files, tmp_path / "y.zip", None, ignore, zip_bytes=SMALL)
    assert left_in(tmp_path) == ["x-2.zip", "x.zip"]


async def test_no_files_make_no_zip(comps: Session, finished: Finished, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no files to zip"):
        await comps.outputs.zip(finished.simulation, [], tmp_path / "x.zip")
    with pytest.raises(NotFound, match="nothing"):
        await comps.outputs.zip(finished.simulation, ["nothing"], tmp_path / "x.zip")
    assert left_in(tmp_path) == []


@asynccontextmanager
async def plain_client(service: Service) -> AsyncGenerator[httpx.AsyncClient]:
    """A client that is logged in and knows nothing of acomps."""
    async with httpx.AsyncClient(base_url=service.url) as http:
        password = base64.b64encode(service.password.encode()).decode()
        login = {"Username": service.username, "Password": password, "ClientVersion": 12}
        answer = await http.post("/api/tokens", json=login)
        http.headers["X-COMPS-Token"] = answer.headers["X-COMPS-Token"]
        yield http


async def test_a_file_that_grows_while_it_is_zipped_is_cut_where_it_was(comps: Session, service: Service) -> None:
    made = await finished_simulation(comps, "printf hello > text")
    [file] = await comps.outputs.list(made.simulation, ["text"])
    async with plain_client(service) as http:
        where = f"/asset/Simulations/{made.simulation.id}/Output"
        asked = {"ContainerType": "CompressedZip", "Ids": [str(file.id)]}
        answer = await http.post(where, params={"zip": "1"}, json=asked)
        [resource] = answer.json()["Resources"]
        (made.folder / "text").write_bytes(b"hello and more")
        body = await http.get(resource["Url"])
        assert len(body.content) == resource["Length"]
        assert b"hello" in body.content
        assert b"more" not in body.content
        async with httpx.AsyncClient() as stranger:
            assert (await stranger.get(resource["Url"])).status_code == 200
            assert (await stranger.get(resource["Url"].partition("?")[0])).status_code == 401
        for wrong in ('{"Ids": []}', '{"Ids": ["x"]}', "{}", '{"Ids": "x"}'):
            assert (await http.post(where, params={"zip": "1"}, content=wrong)).status_code == 400
        assert (await http.post(where, json=asked)).status_code == 400
        nobody = {"Ids": ["01a1f85d-82af-7000-9c99-99c2a624528c"]}
        assert (await http.post(where, params={"zip": "1"}, json=nobody)).status_code == 404


async def test_a_stored_content_is_no_way_to_files_elsewhere(comps: Session, service: Service, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    made = await finished_simulation(comps, "true")
    job = made.folder.name
    entity = str(made.simulation.id)
    async with plain_client(service) as http:
        of_job: dict[str, object] = {"Kind": "Simulation", "Entity": entity, "Job": job}
        documents: list[dict[str, object]] = [
            {"Folder": str(tmp_path), "Files": [["secret", 6]]},
            {**of_job, "Files": [[f"../../../../../..{secret}", 6]]},
            {**of_job, "Files": [[str(secret), 6]]},
            {"Files": 5},
        ]
        for document in documents:
            md5 = await comps.uploads.upload(json.dumps(document).encode())
            try:
                body = (await http.get(f"/asset/contents/outputzips/{md5}/output.zip")).content
            except httpx.RemoteProtocolError:
                continue
            assert b"secret\n" not in body
            assert not body.startswith(b"PK")

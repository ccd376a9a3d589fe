"""What users get wrong: each ends in one clear error that names the thing and the remedy."""

from __future__ import annotations

import dataclasses
import getpass
import uuid
from pathlib import Path

import pytest

import acomps
from acomps.comps.child import Service, start_service


async def connected(
    server: str, settings: acomps.Settings, username: str | None = None, password: str | None = None
) -> str:
    async with acomps.connect(server, username=username, password=password, settings=settings) as comps:
        return await comps.user()


@pytest.mark.parametrize(
    ("server", "error", "says"),
    [
        ("ftp://comps.idmod.org", acomps.UsageError, "ftp"),
        ("https://", acomps.UsageError, "https://"),
        ("http://host/path", acomps.UsageError, "host/path"),
        ("http://no-such-host.invalid", acomps.NotSent, "no-such-host.invalid"),
        ("http://127.0.0.1:1", acomps.NotSent, "127.0.0.1:1"),
    ],
)
async def test_a_server_that_is_none_is_named(
    server: str, error: type[acomps.AcompsError], says: str, settings: acomps.Settings
) -> None:
    impatient = dataclasses.replace(settings, retry=acomps.RetrySettings(attempts=1))
    with pytest.raises(error, match=says):
        await connected(server, impatient, username="jdoe", password="x")


async def test_the_wrong_scheme_is_explained(service: Service, settings: acomps.Settings) -> None:
    with pytest.raises(acomps.NotSent, match="http"):
        await connected(service.url.replace("http://", "https://"), settings, username="jdoe", password="x")


async def test_a_wrong_password_is_one_error_without_the_password(service: Service, tmp_path: Path) -> None:
    settings = acomps.Settings(token_cache_dir=tmp_path)
    with pytest.raises(acomps.AuthenticationFailed) as caught:
        await connected(service.url, settings, username=service.username, password="open sesame")
    assert service.username in str(caught.value)
    assert "sesame" not in repr(caught.value) + str(caught.value)
    assert list(tmp_path.iterdir()) == []


async def test_without_a_password_and_a_terminal_it_says_what_to_give(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = acomps.Settings(token_cache_dir=tmp_path)
    with Path("/dev/null").open() as nothing:
        monkeypatch.setattr("sys.stdin", nothing)
        with pytest.raises(acomps.UsageError, match="username= and password="):
            await connected(service.url, settings)


async def test_a_login_is_kept_for_the_next_program_and_a_token_of_yesterday_is_renewed(
    service: Service, tmp_path: Path
) -> None:
    settings = acomps.Settings(token_cache_dir=tmp_path)
    await connected(service.url, settings, username=service.username, password=service.password)
    [cache] = tmp_path.iterdir()
    assert cache.name.endswith(f"_{getpass.getuser()}.txt")
    assert cache.stat().st_mode & 0o777 == 0o600
    assert await connected(service.url, settings) == service.username
    fields = cache.read_text().split(",")
    fields[6], fields[7] = "2020-01-01-04-00-00", "2020-01-01-00-00-00"
    cache.write_text(",".join(fields))
    user = await connected(service.url, settings, username=service.username, password=service.password)
    assert user == service.username
    assert "2020-01-01" not in cache.read_text()


async def test_a_tampered_token_costs_a_login_and_no_more(service: Service, tmp_path: Path) -> None:
    settings = acomps.Settings(token_cache_dir=tmp_path)
    await connected(service.url, settings, username=service.username, password=service.password)
    [cache] = tmp_path.iterdir()
    fields = cache.read_text().split(",")
    fields[8] = fields[8][::-1]
    cache.write_text(",".join(fields))
    async with acomps.connect(
        service.url, username=service.username, password=service.password, settings=settings
    ) as comps:
        assert await comps.environments.list()


@pytest.mark.parametrize("reference", ["latest", "", "1234", "0d25e870-2a1f-4c7e-9d1b"])
async def test_an_id_that_is_none_is_refused_before_it_is_sent(comps: acomps.Session, reference: str) -> None:
    with pytest.raises(acomps.InvalidId, match="no UUID"):
        await comps.simulations.get(reference)


async def test_an_unknown_field_is_refused_with_the_near_one(comps: acomps.Session) -> None:
    with pytest.raises(acomps.UnknownField, match="did you mean 'owner'"):
        await comps.experiments.list(acomps.Query().where("ownr=me"))


async def test_an_unsaved_entity_cannot_be_commissioned(comps: acomps.Session) -> None:
    with pytest.raises(acomps.UsageError, match="has no id yet: save it first"):
        await comps.simulations.commission(acomps.Simulation(name="new"))


async def test_an_experiment_that_is_not_there_cannot_be_joined(comps: acomps.Session) -> None:
    missing = uuid.uuid4()
    report = await comps.simulations.save_all([acomps.Simulation(name="lost", experiment_id=missing)])
    assert str(missing) in str(report.failures[0].error)


async def test_a_data_folder_that_is_taken_is_named_with_its_holder(tmp_path: Path) -> None:
    async with start_service(tmp_path):
        with pytest.raises(acomps.LocalServiceFailed, match="is in use by the service with process number"):
            async with start_service(tmp_path):
                pass

"""The service's side of uploads: any order, any number of connections, restarts, and nothing that is not its md5."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import time
import uuid
from pathlib import Path

import anyio
import orjson
import pytest
from uploads.conftest import fresh

import acomps
from acomps.comps.child import start_service
from acomps.local.files.parts import open_part, remove_abandoned
from acomps.local.files.spans import Spans
from acomps.transport import Channel, Replay

MIB = 1024 * 1024


def md5_of(data: bytes) -> uuid.UUID:
    return uuid.UUID(bytes=hashlib.md5(data, usedforsecurity=False).digest())


def channel_of(session: acomps.Session) -> Channel:
    return session._channel  # pyright: ignore[reportPrivateUsage] - the routes themselves are the subject


async def put(session: acomps.Session, md5: uuid.UUID, data: bytes, first: int, end: int) -> None:
    await post(session, md5, data[first:end], f"bytes {first}-{end - 1}/{len(data)}")


async def post(session: acomps.Session, md5: uuid.UUID, body: bytes, said: str) -> None:
    headers = {"Content-Type": "application/octet-stream", "Content-Range": said}
    await channel_of(session).call(
        "POST", f"/upload/{md5}", operation="send", replay=Replay.NEVER, json=body, headers=headers
    )


async def check(session: acomps.Session, md5: uuid.UUID) -> tuple[int, object]:
    try:
        answer = await channel_of(session).call("GET", f"/upload/check/{md5}", operation="check", replay=Replay.SAFE)
    except acomps.NotFound:
        return 404, None
    assert answer.headers["x-comps-upload-ranges"] == "bytes"
    return answer.status, answer.json()


async def test_ranges_may_come_in_any_order_and_overlap(comps: acomps.Session) -> None:
    data = fresh(3 * MIB)
    md5 = md5_of(data)
    assert await check(comps, md5) == (404, None)
    await put(comps, md5, data, 2 * MIB, 3 * MIB)
    assert await check(comps, md5) == (206, {"Size": 0, "Ranges": [[2 * MIB, 3 * MIB - 1]]})
    await put(comps, md5, data, 0, MIB)
    expected = {"Size": MIB, "Ranges": [[0, MIB - 1], [2 * MIB, 3 * MIB - 1]]}
    assert await check(comps, md5) == (206, expected)
    await put(comps, md5, data, 10, 2 * MIB + 10)
    assert await check(comps, md5) == (200, {"Size": 3 * MIB})
    await put(comps, md5, data, 0, MIB)
    assert await check(comps, md5) == (200, {"Size": 3 * MIB}), "what comes late does no harm"


async def test_many_connections_may_send_the_same_content_at_once(comps: acomps.Session) -> None:
    data = fresh(8 * MIB)
    md5 = md5_of(data)
    spans = [(at, min(at + 300_001, len(data))) for at in range(0, len(data), 300_001)] * 2
    random.Random(1).shuffle(spans)
    async with anyio.create_task_group() as tasks:
        for first, end in spans:
            tasks.start_soon(put, comps, md5, data, first, end)
    assert await check(comps, md5) == (200, {"Size": len(data)})


async def test_bytes_that_are_not_their_md5_are_refused_to_all_senders_and_dropped(comps: acomps.Session) -> None:
    data, md5 = fresh(2 * MIB), uuid.uuid4()
    await put(comps, md5, data, 0, MIB)
    with pytest.raises(acomps.ValidationFailed, match=f"is {md5_of(data).hex}, not {md5}: it was dropped"):
        await put(comps, md5, data, MIB, 2 * MIB)
    assert await check(comps, md5) == (404, None)


async def test_another_length_begins_anew(comps: acomps.Session) -> None:
    data = fresh(2 * MIB)
    md5 = md5_of(data)
    await post(comps, md5, b"x" * MIB, f"bytes 0-{MIB - 1}/{3 * MIB}")
    await put(comps, md5, data, 0, MIB)
    assert await check(comps, md5) == (206, {"Size": MIB, "Ranges": [[0, MIB - 1]]})
    await put(comps, md5, data, MIB, 2 * MIB)
    assert (await check(comps, md5))[0] == 200


@pytest.mark.parametrize(
    ("said", "body"),
    [
        ("", b""),
        ("bytes 0-9", b"0123456789"),
        ("bytes */10", b""),
        ("bytes 9-0/10", b""),
        ("bytes 0-10/10", b"01234567890"),
        ("bytes -5-9/10", b"0123456789"),
        ("bytes 0-9/999999999999999999999", b"0123456789"),
        ("bytes 0-9/10", b"012"),
        ("bytes 0-2/10", b"0123456789"),
        ("bytes 0-9/999999999999999999", b"0123456789"),
    ],
)
async def test_nonsense_is_refused(comps: acomps.Session, said: str, body: bytes) -> None:
    with pytest.raises(acomps.ValidationFailed):
        await post(comps, uuid.uuid4(), body, said)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_a_restart_in_the_middle_loses_nothing(
    settings: acomps.Settings, tmp_path: Path, number: signal.Signals
) -> None:
    data = fresh(6 * MIB)
    md5 = md5_of(data)
    async with start_service(tmp_path) as service:
        login = {"username": service.username, "password": service.password, "settings": settings}
        async with acomps.connect(service.url, **login) as session:  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - one login
            await put(session, md5, data, 0, 2 * MIB)
            await put(session, md5, data, 4 * MIB, 5 * MIB)
            before = await check(session, md5)
        os.kill(orjson.loads((tmp_path / "service.json").read_bytes())["pid"], number)
        with anyio.fail_after(20):
            while not await ended(service.url):
                await anyio.sleep(0.02)
    async with (
        start_service(tmp_path) as service,
        acomps.connect(service.url, username=service.username, password=service.password, settings=settings) as session,
    ):
        assert await check(session, md5) == before
        await put(session, md5, data, 2 * MIB, 4 * MIB)
        await put(session, md5, data, 5 * MIB, 6 * MIB)
        assert (await check(session, md5))[0] == 200
        assert list((tmp_path / "uploads").iterdir()) == []


async def ended(url: str) -> bool:
    host, _, port = url.rpartition("/")[2].rpartition(":")
    try:
        async with await anyio.connect_tcp(host, int(port)):
            return False
    except OSError:
        return True


def test_a_content_that_was_whole_when_the_service_died_is_still_whole(tmp_path: Path) -> None:
    data = fresh(10_000)
    part = open_part(tmp_path, str(md5_of(data)), len(data))
    assert part is not None
    part.write(4_000, [data[4_000:]])
    part.write(0, [data[:1_000], data[1_000:4_000]])
    part.close()
    again = open_part(tmp_path, str(md5_of(data)), None)
    assert again is not None
    assert list(again.spans) == [(0, 10_000)]
    again.hash_to(10_000)
    again.discard()
    again.close()
    assert open_part(tmp_path, str(md5_of(data)), None) is None


@pytest.mark.parametrize(
    ("tail", "expected"),
    [
        (b"", [(0, 100)]),
        (b"100 2", [(0, 100)]),
        (b"nonsense\n200 300\n", [(0, 100), (200, 300)]),
        (b"0 400\n", [(0, 100)]),
    ],
)
def test_a_damaged_list_claims_nothing_that_is_not_there(
    tmp_path: Path, tail: bytes, expected: list[tuple[int, int]]
) -> None:
    (tmp_path / "x.part").write_bytes(b"x" * 300)
    (tmp_path / "x.ranges").write_bytes(b"total 500\n0 100\n" + tail)
    part = open_part(tmp_path, "x", 500)
    assert part is not None
    assert list(part.spans) == expected
    part.write(250, [b"y" * 250])
    part.close()
    again = open_part(tmp_path, "x", None)
    assert again is not None
    assert again.spans.frontier == 100
    assert (250, 500) in {(max(250, begin), end) for begin, end in again.spans}
    again.close()


def test_parts_that_nobody_goes_on_with_are_removed(tmp_path: Path) -> None:
    for name in ("old", "busy", "new"):
        part = open_part(tmp_path, name, 500)
        assert part is not None
        part.close()
        if name != "new":
            for file in tmp_path.glob(f"{name}.*"):
                os.utime(file, (time.time() - 1_000, time.time() - 1_000))
    remove_abandoned(tmp_path, 500, {"busy"})
    assert {file.stem for file in tmp_path.iterdir()} == {"busy", "new"}


def test_spans_are_a_set_of_bytes() -> None:
    random_ = random.Random(7)
    for _ in range(200):
        spans, expected = Spans(), set[int]()
        for _ in range(random_.randrange(1, 20)):
            begin = random_.randrange(60)
            end = begin + random_.randrange(12)
            spans.add(begin, end)
            expected |= {*range(begin, end)}
        assert {at for begin, end in spans for at in range(begin, end)} == expected
        assert all(end < following for (_, end), (following, _) in zip(list(spans), list(spans)[1:], strict=False))
        assert spans.frontier == next(at for at in range(100) if at not in expected)


@pytest.mark.parametrize(
    ("assets", "says"),
    [
        ([], "at least one"),
        ([{"FileNameForAsset": "..\\x", "MD5": str(uuid.UUID(int=0))}], "FileName|RelativePath"),
        ([{"FileNameForAsset": "x", "MD5": "no"}], "MD5"),
        ([{"FileNameForAsset": "x"}], "MD5"),
        ([{"FileNameForAsset": "x", "MD5": str(uuid.UUID(int=0))}] * 2, "same name"),
        ([{"FileNameForAsset": "x", "MD5": str(uuid.UUID(int=0))}], "Unknown assets"),
    ],
)
async def test_a_zip_of_what_is_not_there_is_refused(
    comps: acomps.Session, assets: list[dict[str, str]], says: str
) -> None:
    document = orjson.dumps({"ContainerType": "CompressedZip", "Assets": assets})
    with pytest.raises(acomps.ValidationFailed, match=says):
        await channel_of(comps).call("POST", "/ZipAssets", operation="zip", replay=Replay.SAFE, json=document)

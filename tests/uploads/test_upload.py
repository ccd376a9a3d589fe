"""Large contents go to the server once, whatever happens on the way."""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import uuid
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from support.fault_proxy import (
    ANSWER_LOST,
    PASS,
    RESET_BEFORE,
    STALL,
    Fault,
    FaultProxy,
    Request,
    answered,
    cut_after,
)
from uploads.conftest import MakeFile, fresh

import acomps
from acomps.comps.child import Service
from acomps.events import Event, Uploaded

MIB = 1024 * 1024


def md5_of(data: bytes) -> uuid.UUID:
    return uuid.UUID(bytes=hashlib.md5(data, usedforsecurity=False).digest())


def on_chunk(number: int, fault: Fault) -> Callable[[Request], Fault]:
    """A script: the chunk with this number has the fault."""
    chunks = 0

    def script(request: Request) -> Fault:
        nonlocal chunks
        if request.method == "POST" and "/upload/" in request.target:
            chunks += 1
            if chunks == number:
                return fault
        return PASS

    return script


def in_order_only(proxy: FaultProxy) -> None:
    """The service seems to be one that takes chunks in their order alone."""
    proxy.edit = lambda data: data.replace(b"x-comps-upload-ranges", b"x-something-else-here")


def ranges(proxy: FaultProxy) -> list[tuple[int, int]]:
    """The chunks that were sent, first byte and end, in the order in which they began."""
    found: list[tuple[int, int]] = []
    for request in proxy.seen("POST", "/upload/"):
        line = next(line for line in request.head.split(b"\r\n") if line.lower().startswith(b"content-range:"))
        span = line.split(b" ")[-1].split(b"/")[0]
        first, _, last = span.partition(b"-")
        found.append((int(first), int(last) + 1))
    return found


def forwarded(proxy: FaultProxy) -> int:
    return sum(request.forwarded for request in proxy.seen("POST", "/upload/"))


async def stored(comps: acomps.Session, md5: uuid.UUID, to: Path) -> bytes:
    """What the service has under an md5, read back through a collection."""
    asset = acomps.AssetCollectionFile(file_name="x", md5_checksum=md5)
    saved = await comps.asset_collections.save(acomps.AssetCollection(assets=(asset,)))
    return (await comps.asset_collections.fetch(saved, "x", to)).read_bytes()


async def test_a_large_file_arrives_as_it_is_and_progress_adds_up_to_its_length(
    comps: acomps.Session, far: acomps.Session, proxy: FaultProxy, make_file: MakeFile, tmp_path: Path
) -> None:
    path = make_file("large", 30 * MIB + 12_345)
    events: list[Event] = []
    md5 = await far.uploads.upload(path, on_progress=events.append)
    assert md5 == md5_of(path.read_bytes())
    assert await stored(comps, md5, tmp_path / "back") == path.read_bytes()
    assert forwarded(proxy) == path.stat().st_size
    assert all(isinstance(event, Uploaded) and event.name == str(path) for event in events)
    assert sum(event.bytes for event in events if isinstance(event, Uploaded)) == path.stat().st_size


async def test_what_the_server_has_is_not_sent_again(
    far: acomps.Session, proxy: FaultProxy, make_file: MakeFile
) -> None:
    path = make_file("large", 12 * MIB)
    await far.uploads.upload(path)
    proxy.ledger.clear()
    events: list[Event] = []
    await far.uploads.upload(path.read_bytes(), on_progress=events.append)
    assert [request.method for request in proxy.ledger] == ["GET"]
    assert sum(event.bytes for event in events if isinstance(event, Uploaded)) == 12 * MIB


async def test_ranges_travel_at_the_same_time_where_the_server_takes_them_in_any_order(
    service: Service, proxy: FaultProxy, private: acomps.Settings, make_file: MakeFile
) -> None:
    proxy.script = on_chunk(2, STALL)
    impatient = dataclasses.replace(private, timeouts=acomps.Timeouts(read_s=1))
    async with acomps.connect(
        proxy.url, username=service.username, password=service.password, settings=impatient
    ) as session:
        await session.uploads.upload(make_file("large", 40 * MIB))
    uploads = [request for request in proxy.ledger if "/upload/" in request.target]
    resumed = next(place for place, request in enumerate(uploads) if place and request.method == "GET")
    assert resumed >= 1 + 4, "while one chunk waits for its answer, others are sent"
    sent = ranges(proxy)
    assert sent[0] == (0, MIB), "the first chunk is small, and asks"
    assert sum(end - first for first, end in sent) == 40 * MIB


async def test_chunks_go_in_order_and_grow_where_the_server_does_not_offer_more(
    comps: acomps.Session, far: acomps.Session, proxy: FaultProxy, make_file: MakeFile, tmp_path: Path
) -> None:
    in_order_only(proxy)
    path = make_file("large", 60 * MIB)
    md5 = await far.uploads.upload(path)
    sent = ranges(proxy)
    assert all(end == following for (_, end), (following, _) in itertools.pairwise(sent))
    sizes = [end - first for first, end in sent]
    assert sizes[0] == MIB
    assert max(sizes) > 8 * MIB
    assert await stored(comps, md5, tmp_path / "back") == path.read_bytes()


@pytest.mark.parametrize("any_order", [True, False])
async def test_after_a_cut_in_the_middle_of_a_chunk_only_the_rest_is_sent(
    comps: acomps.Session,
    far: acomps.Session,
    proxy: FaultProxy,
    make_file: MakeFile,
    tmp_path: Path,
    any_order: bool,
) -> None:
    if not any_order:
        in_order_only(proxy)
    proxy.script = on_chunk(2, cut_after(3 * MIB))
    path = make_file("large", 24 * MIB)
    events: list[Event] = []
    md5 = await far.uploads.upload(path, on_progress=events.append)
    assert await stored(comps, md5, tmp_path / "back") == path.read_bytes()
    amounts = [event.bytes for event in events if isinstance(event, Uploaded)]
    assert sum(amounts) == 24 * MIB
    assert min(amounts) < 0, "progress goes back when bytes were lost"
    # What the service had not yet read when it was asked comes twice.
    assert 24 * MIB <= forwarded(proxy) <= 24 * MIB + 2 * MIB


@pytest.mark.parametrize("number", [1, 2, 5])
async def test_a_lost_answer_costs_a_question_and_no_bytes(
    comps: acomps.Session, far: acomps.Session, proxy: FaultProxy, make_file: MakeFile, tmp_path: Path, number: int
) -> None:
    proxy.script = on_chunk(number, ANSWER_LOST)
    path = make_file("large", 20 * MIB)
    md5 = await far.uploads.upload(path)
    assert await stored(comps, md5, tmp_path / "back") == path.read_bytes()
    assert forwarded(proxy) == 20 * MIB


@pytest.mark.parametrize(
    "fault", [RESET_BEFORE, answered(503), answered(429, "Retry-After: 0"), answered(502)], ids=lambda fault: fault.name
)
async def test_a_chunk_that_the_server_never_saw_is_sent_again(
    comps: acomps.Session, far: acomps.Session, proxy: FaultProxy, make_file: MakeFile, tmp_path: Path, fault: Fault
) -> None:
    proxy.script = on_chunk(2, fault)
    path = make_file("large", 20 * MIB)
    md5 = await far.uploads.upload(path)
    assert await stored(comps, md5, tmp_path / "back") == path.read_bytes()
    assert forwarded(proxy) == 20 * MIB


async def test_a_server_that_takes_nothing_is_given_up_after_a_bounded_number_of_attempts(
    far: acomps.Session, proxy: FaultProxy, make_file: MakeFile
) -> None:
    proxy.script = lambda request: RESET_BEFORE if request.method == "POST" else PASS
    with pytest.raises(acomps.OutcomeUnknown, match="gave up after 6 attempts in which nothing arrived"):
        await far.uploads.upload(make_file("large", 12 * MIB))
    assert len(proxy.seen("POST", "/upload/")) == 6


async def test_a_permanent_refusal_ends_after_one_attempt(
    far: acomps.Session, proxy: FaultProxy, make_file: MakeFile
) -> None:
    proxy.script = on_chunk(1, answered(403))
    with pytest.raises(acomps.PermissionDenied):
        await far.uploads.upload(make_file("large", 12 * MIB))
    assert len(proxy.seen("POST", "/upload/")) == 1


async def test_chunks_shrink_to_what_a_gateway_on_the_way_takes(
    far: acomps.Session, proxy: FaultProxy, make_file: MakeFile
) -> None:
    proxy.script = lambda request: answered(413) if request.length > 700_000 else PASS
    await far.uploads.upload(make_file("large", 12 * MIB))
    assert forwarded(proxy) == 12 * MIB
    proxy.script = lambda request: answered(413) if request.method == "POST" else PASS
    with pytest.raises(acomps.TooLarge):
        await far.uploads.upload(make_file("other", 12 * MIB))


async def test_a_source_that_changes_on_the_way_is_noticed_and_never_complete(
    comps: acomps.Session, far: acomps.Session, proxy: FaultProxy, make_file: MakeFile
) -> None:
    in_order_only(proxy)
    path = make_file("large", 24 * MIB)
    was = md5_of(path.read_bytes())

    def script(request: Request) -> Fault:
        if len(proxy.seen("POST", "/upload/")) == 2:
            path.write_bytes(fresh(24 * MIB))
        return PASS

    proxy.script = script
    with pytest.raises(acomps.ContentError, match="large changed while it was being sent"):
        await far.uploads.upload(path)
    asset = acomps.AssetCollectionFile(file_name="x", md5_checksum=was)
    with pytest.raises(acomps.MissingFiles):
        await comps.asset_collections.save(acomps.AssetCollection(assets=(asset,)))


async def test_bytes_that_change_unnoticed_fail_at_the_server_and_leave_nothing(
    far: acomps.Session, proxy: FaultProxy
) -> None:
    from acomps.transfer import Measured, upload

    data = fresh(3 * MIB)
    wrong = Measured(uuid.uuid4(), len(data), data)
    with pytest.raises(acomps.ChecksumMismatch, match="it was dropped, send it again"):
        await upload(far._channel, wrong)  # pyright: ignore[reportPrivateUsage] - no public way sends a wrong md5
    proxy.ledger.clear()
    with pytest.raises(acomps.ChecksumMismatch):
        await upload(far._channel, wrong)  # pyright: ignore[reportPrivateUsage]
    assert forwarded(proxy) == len(data), "nothing of the first attempt was kept"


async def test_a_server_that_forgets_what_it_has_confirmed_is_a_checksum_error(
    far: acomps.Session, proxy: FaultProxy, make_file: MakeFile
) -> None:
    created = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
    proxy.script = lambda request: Fault("pretends", answer=created) if request.method == "POST" else PASS
    with pytest.raises(acomps.ChecksumMismatch, match="still does not have it"):
        await far.uploads.upload(make_file("large", 12 * MIB))


async def test_many_sources_give_one_outcome_each_in_their_order(
    far: acomps.Session, make_file: MakeFile, tmp_path: Path
) -> None:
    shared = fresh(2 * MIB)
    sources: list[Path | bytes] = [
        make_file("a", 11 * MIB),
        tmp_path / "gone",
        shared,
        b"",
        shared,
        make_file("b", 3 * MIB),
    ]
    outcomes = await far.uploads.upload_many(iter(sources), at_once=3)
    assert [one.source for one in outcomes] == sources
    assert [type(one.error) for one in outcomes] == [
        type(None),
        acomps.ContentError,
        *[type(None)] * 4,
    ]
    assert [one.length for one in outcomes] == [11 * MIB, None, 2 * MIB, 0, 2 * MIB, 3 * MIB]
    assert outcomes[2].bytes_sent + outcomes[4].bytes_sent == 2 * MIB, "the same content is sent once"


async def test_when_the_server_is_gone_the_other_sources_are_not_tried(
    far: acomps.Session, proxy: FaultProxy, private: acomps.Settings
) -> None:
    proxy.script = lambda request: answered(401)
    outcomes = await far.uploads.upload_many([fresh(1_000) for _ in range(50)], at_once=2)
    assert all(isinstance(one.error, acomps.AuthenticationFailed) for one in outcomes)
    assert len(proxy.ledger) < 20


async def test_cancelling_leaves_what_has_arrived_for_the_next_attempt(
    far: acomps.Session, proxy: FaultProxy, make_file: MakeFile
) -> None:
    path = make_file("large", 64 * MIB)
    begun = anyio.Event()
    told = 0

    def on_progress(event: Event) -> None:
        nonlocal told
        if isinstance(event, Uploaded):
            told += event.bytes
        if told > 16 * MIB:
            begun.set()

    async with anyio.create_task_group() as tasks:

        async def send() -> None:
            await far.uploads.upload(path, on_progress=on_progress)

        tasks.start_soon(send)
        await begun.wait()
        tasks.cancel_scope.cancel()
    proxy.ledger.clear()
    await far.uploads.upload(path)
    assert forwarded(proxy) < 64 * MIB - 8 * MIB


async def test_a_text_is_no_source(comps: acomps.Session) -> None:
    with pytest.raises(acomps.UsageError, match=r"give bytes .* or a pathlib\.Path"):
        await comps.uploads.upload("large.bin")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType] - the point


async def test_a_known_hash_saves_reading_and_a_wrong_one_heals(
    far: acomps.Session, proxy: FaultProxy, make_file: MakeFile, private: acomps.Settings
) -> None:
    path = make_file("large", 12 * MIB)
    true = await far.uploads.upload(path)
    assert private.hash_cache_dir is not None
    [entry] = private.hash_cache_dir.iterdir()
    planted = uuid.uuid4()
    entry.write_text(entry.read_text().replace(str(true), str(planted)))
    proxy.ledger.clear()
    assert await far.uploads.upload(path) == true
    assert str(planted) in proxy.ledger[0].target, "the file was not read: the cache was believed"
    assert str(true) in proxy.ledger[-1].target
    assert str(true) in entry.read_text()
    asset = acomps.AssetCollectionFile.from_path(path)
    entry.write_text(entry.read_text().replace(str(true), str(planted)))
    saved = await far.asset_collections.save(acomps.AssetCollection(assets=(asset,)))
    assert saved.assets[0].md5_checksum == true


async def test_contents_over_the_limit_take_the_chunk_route_and_the_others_do_not(
    far: acomps.Session, proxy: FaultProxy, make_file: MakeFile
) -> None:
    large, small = make_file("large.bin", 11 * MIB), make_file("small.bin", 10 * MIB)
    assets = tuple(acomps.AssetCollectionFile.from_path(path) for path in (large, small))
    await far.asset_collections.save(acomps.AssetCollection(assets=assets))
    assert forwarded(proxy) == 11 * MIB
    assert max(request.length for request in proxy.seen("POST", "/AssetCollections")) > 10 * MIB

"""The faults of the bench: what happens to which requests, and what that means for whoever has sent them."""

from __future__ import annotations

import asyncio
import email.utils
import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import cast

import orjson
from faults.bench import Bench, md5_of
from faults.operations import OPERATIONS, Operation
from support.fault_proxy import (
    ANSWER_LOST,
    PASS,
    RANGE_HIDDEN,
    RESET_BEFORE,
    Fault,
    Request,
    answer_cut_at,
    answered,
    bit_flipped,
    cut_after,
    dribbled,
    reheaded,
    request_flipped,
    rewritten,
)

__all__ = ["TROUBLES", "Trouble"]

Choose = Callable[[int], Fault]
HOUR_S = 3600


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """`meaning` is the row of the table of expectations; `set_up` is called when the session is there."""

    name: str
    meaning: str
    set_up: Callable[[Bench, Operation], None]
    #: The operations that it can hit; all of them if it is empty.
    only: tuple[str, ...] = ()
    #: Also on the other transport.
    lanes: bool = False


def _script(bench: Bench, operation: Operation, choose: Choose) -> None:
    """The n-th request that the operation's faults hit has the fault that `choose` has for n, from 1 on."""
    count = 0

    def script(request: Request) -> Fault:
        nonlocal count
        if not operation.hits(request):
            return PASS
        count += 1
        return choose(count)

    bench.proxy.script = script


def _chosen(choose: Callable[[Bench], Choose]) -> Callable[[Bench, Operation], None]:
    return lambda bench, operation: _script(bench, operation, choose(bench))


def once(fault: Fault, *, times: int = 1) -> Callable[[Bench, Operation], None]:
    """The first requests have the fault."""
    return _chosen(lambda _: lambda number: fault if number <= times else PASS)


def always(fault: Fault) -> Callable[[Bench, Operation], None]:
    """Every request has the fault."""
    return _chosen(lambda _: lambda number: fault)


def often(fault: Fault, share: float, seed: int) -> Callable[[Bench, Operation], None]:
    """This share of the requests has the fault."""

    def choose(_: Bench) -> Choose:
        chance = random.Random(seed)
        return lambda number: fault if chance.random() < share else PASS

    return _chosen(choose)


def later(status: int, value: Callable[[Bench], str]) -> Callable[[Bench, Operation], None]:
    """The first request is answered with a Retry-After."""
    return _chosen(
        lambda bench: lambda number: answered(status, f"Retry-After: {value(bench)}") if number == 1 else PASS
    )


def _date(bench: Bench, **ahead: float) -> str:
    return email.utils.format_datetime(bench.time.clock.wall() + timedelta(**ahead), usegmt=True)


def page(status: int = 200) -> Fault:
    """An HTML page where JSON should be."""
    body = b"<html><head><title>Welcome to the gateway</title></head><body>Log in</body></html>"
    head = b"HTTP/1.1 %d Page\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % (status, len(body))
    return Fault("page", answer=head + body)


def stranger(body: bytes) -> bytes:
    """The same documents from a newer server: more fields, states that nobody knows."""

    def newer(value: object) -> object:
        if isinstance(value, list):
            return [newer(item) for item in cast("list[object]", value)]
        if not isinstance(value, dict):
            return value
        changed = {key: newer(item) for key, item in cast("dict[str, object]", value).items()}
        if isinstance(changed.get("SimulationState"), str):
            changed["SimulationState"] = "Teleported"
        return {**changed, "QuantumFlux": {"Level": [1, 2, 3]}, "Zeta": None}

    try:
        return orjson.dumps(newer(orjson.loads(body)))
    except orjson.JSONDecodeError:
        return body


def with_md5(bench: Bench) -> Callable[[bytes], bytes]:
    """A listing that tells the md5s of the files, as some servers do."""

    def listing(body: bytes) -> bytes:
        document = orjson.loads(body)
        for resource in document.get("Resources", []):
            for key, folder in bench.world.ran.items():
                if str(key) in resource["Url"]:
                    data = (folder / resource["PathFromRoot"] / resource["FriendlyName"]).read_bytes()
                    resource["MD5"] = str(md5_of(data))
        return orjson.dumps(document)

    return listing


def _flipped_under_md5(bench: Bench, operation: Operation) -> None:
    """A bit of the first file is wrong, and the listing says what its md5 should be."""
    promised = rewritten("md5s", with_md5(bench))
    _script(bench, operation, lambda number: bit_flipped(1) if number == 1 else PASS)
    inner = bench.proxy.script

    def script(request: Request) -> Fault:
        listing = "/Output" in request.target and "/asset/outputs" not in request.target
        return promised if listing else inner(request)

    bench.proxy.script = script


def _refused(bench: Bench, operation: Operation) -> None:
    """Nobody listens until the client has waited once."""
    bench.time.on_sleep = bench.proxy.listen
    bench.first = bench.proxy.refuse


def _idle_closed(*, reset: bool) -> Callable[[Bench, Operation], None]:
    def set_up(bench: Bench, operation: Operation) -> None:
        async def close() -> None:
            closed = bench.proxy.close_idle(reset=reset)
            assert closed or not operation.logged_in, "there is no idle connection"
            while reset and bench.proxy.peers:
                await asyncio.sleep(0)

        bench.first = close

    return set_up


def _reset_on_arrival(bench: Bench, operation: Operation) -> None:
    bench.proxy.close_idle(reset=True)
    bench.proxy.reset_next = 1


def _expelled(bench: Bench, operation: Operation) -> None:
    """The server does not know the first token any more."""
    rejected: list[bytes] = []

    def script(request: Request) -> Fault:
        if not operation.hits(request):
            return PASS
        token = next(line for line in request.head.split(b"\r\n") if line.lower().startswith(b"x-comps-token"))
        if not rejected:
            rejected.append(token)
        return answered(401) if token == rejected[0] else PASS

    bench.proxy.script = script


ALL = tuple(OPERATIONS)
FILES = ("harvest",)
MANY = ("list", "save_all", "upload", "upload_check", "harvest", "harvest_listing", "watch")
TALKS = ("list", "save", "save_all", "commission", "upload", "upload_check", "harvest", "harvest_listing", "watch")
SHORTER = reheaded(rb"content-length: \d+", b"content-length: 1")
LONGER = reheaded(rb"content-length: \d+", b"content-length: 99999999")
OTHER_RANGE = reheaded(rb"content-range: bytes \d+", b"content-range: bytes 1")
LOST_IN_THE_MIDDLE = replace(cut_after(40), name="cut")


def _but(*names: str) -> tuple[str, ...]:
    return tuple(name for name in ALL if name not in names)


def _all() -> list[Trouble]:
    def trouble(
        name: str,
        meaning: str,
        set_up: Callable[[Bench, Operation], None],
        only: tuple[str, ...] = (),
        *,
        lanes: bool = False,
    ) -> Trouble:
        return Trouble(name=name, meaning=meaning, set_up=set_up, only=only, lanes=lanes)

    with_body = ("login", "renewal", "save", "save_all", "upload")
    found = [
        trouble("connection-refused", "nothing done", _refused, lanes=True),
        trouble("reset-before", "unknown", _reset_on_arrival),
        trouble("reset-in-the-middle", "unknown", once(LOST_IN_THE_MIDDLE), with_body, lanes=True),
        trouble("reset-after-body", "unknown", once(RESET_BEFORE), lanes=True),
        trouble("reply-lost", "unknown and done", once(ANSWER_LOST), lanes=True),
        trouble("idle-closed", "nothing noticed", _idle_closed(reset=False), lanes=True),
        trouble("idle-reset", "nothing noticed", _idle_closed(reset=True)),
        *(
            trouble(f"reply-cut-at-{name}", "unknown and done", once(answer_cut_at(share)), lanes=name == "70%")
            for name, share in (("0", 0.0), ("1-byte", 1e-9), ("70%", 0.7), ("last-byte", -1.0))
        ),
        trouble("content-length-too-short", "cut short", once(SHORTER)),
        trouble("content-length-too-long", "unknown and done", once(LONGER)),
        trouble("wrong-digest", "corrupt", once(request_flipped(1 * 1024 * 1024 - 3)), ("upload",)),
        trouble("bit-flip", "corrupt", _flipped_under_md5, FILES),
        trouble("range-ignored", "harmless", always(RANGE_HIDDEN), FILES),
        trouble("other-range", "harmless", once(OTHER_RANGE), FILES),
        *(trouble(f"{status}-once", f"{status}", once(answered(status))) for status in (500, 502, 503, 504)),
        *(trouble(f"{status}-thrice", f"{status}", once(answered(status), times=3)) for status in (500, 502, 503, 504)),
        *(
            trouble(f"{status}-for-30%", f"{status}", often(answered(status), 0.3, status), MANY)
            for status in (500, 502, 503, 504)
        ),
    ]
    for status in (429, 503):
        found += [
            trouble(f"{status}-retry-after-seconds", "nothing done", later(status, lambda _: "7")),
            trouble(f"{status}-retry-after-date", "nothing done", later(status, lambda bench: _date(bench, seconds=9))),
            trouble(f"{status}-retry-after-past", "nothing done", later(status, lambda bench: _date(bench, days=-1))),
            trouble(f"{status}-retry-after-garbage", "nothing done", later(status, lambda _: "soon; maybe")),
            trouble(f"{status}-retry-after-an-hour", f"{status} for long", later(status, lambda _: f"{HOUR_S}")),
        ]
    found += [
        trouble("413", "413", once(answered(413))),
        *(trouble(f"{status}-always", f"{status}", always(answered(status))) for status in (400, 403, 404)),
        trouble("401-always", "401", always(answered(401))),
        trouble("401-token-unknown", "expelled", _expelled, TALKS, lanes=True),
        trouble("html-instead-of-json", "no json", once(page())),
        trouble("html-gateway-error", "502", once(page(502))),
        # By the protocol an empty 200 is a good answer to some: "it is asked to run", "all of it is here".
        trouble("empty-200", "empty", once(answered(200)), _but("upload_check", "commission")),
        trouble("newer-server", "harmless", always(rewritten("stranger", stranger)), _but("harvest")),
        trouble("redirect", "redirected", always(answered(302, "Location: http://127.0.0.1:9/elsewhere"))),
        trouble("slow-loris", "harmless", once(dribbled(7)), lanes=True),
    ]
    return found


TROUBLES: dict[str, Trouble] = {one.name: one for one in _all()}

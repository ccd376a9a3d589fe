"""Orders that were sent, or may have been: which attempts are in them, and what the gateway made of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["BATCH", "Attempt", "Sent", "sent_in"]

#: So many jobs are noted together once they are made: as many as a gateway takes in one request.
BATCH: Final = 100


@dataclass(frozen=True, slots=True)
class Attempt:
    """An attempt at a point: the element, the position of its iteration, its number there and in the whole task."""

    element: int
    position: int
    run: int
    index: int


@dataclass(slots=True)
class Sent:
    """An order in batches. Of a batch whose answer is not known, `ids` has None."""

    number: int
    stage: int
    round: int
    key: str
    group: str
    batches: Sequence[Sequence[Attempt]]
    commissioned: bool = False
    ids: dict[int, Sequence[str | None]] = field(default_factory=dict[int, "Sequence[str | None]"])
    errors: dict[Attempt, str] = field(default_factory=dict[Attempt, str])

    def know(self, batch: int, ids: Sequence[str | None], errors: Mapping[int, str]) -> None:
        """What the gateway made of a batch."""
        self.ids[batch] = ids
        for place, error in errors.items():
            self.errors[self.batches[batch][place]] = error

    def unanswered(self) -> list[tuple[int, Attempt]]:
        """The places in the order, and the attempts, of batches whose answer is not known."""
        return [
            (batch * BATCH + place, attempt)
            for batch, attempts in enumerate(self.batches)
            if batch not in self.ids
            for place, attempt in enumerate(attempts)
        ]

    def made(self) -> Iterator[tuple[Attempt, str | None]]:
        """The attempts whose answer is known, each with its id, or None if it was refused."""
        for batch, ids in sorted(self.ids.items()):
            yield from zip(self.batches[batch], ids, strict=True)


def sent_in(number: int, submission: Mapping[str, object]) -> Sent:
    """The order behind a submission as the store gives it."""
    batches: list[list[Attempt]] = []
    known: list[tuple[int, Mapping[str, object]]] = []
    stage = 0
    for batch, script in enumerate(cast("list[dict[str, object]]", submission["jobscripts"])):
        [stage] = cast("list[int]", script["task_insert_IDs"])
        runs = cast("list[tuple[tuple[int, int, int], tuple[int, int, int]]]", script["EARs"])
        batches.append([Attempt(element, where[0], where[2], index) for (_, element, index), where in runs])
        answer = cast("dict[str, object] | None", script["version_info"])
        if answer is not None:
            known.append((batch, answer))
    sent = Sent(
        number,
        stage,
        cast("int", submission["round"]),
        str(submission["acomps_key"]),
        str(submission["group"]),
        batches,
        commissioned=bool(submission["submission_attempts"]),
    )
    for batch, info in known:
        errors = cast("dict[str, str]", info["errors"])
        sent.know(batch, cast("list[str | None]", info["ids"]), {int(place): one for place, one in errors.items()})
    return sent

"""Numeric arrays in a store: in memory until a checkpoint has them, then read from its pool when they are wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Place", "StoredArray"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a checkpoint keeps an array: the name of the pool's part, and the first element in it."""

    part: str
    start: int


class StoredArray:
    """An array as it is stored; either its bytes are here, or its place is known."""

    __slots__ = ("_raw", "dtype", "place", "shape")

    def __init__(self, dtype: str, shape: tuple[int, ...], raw: bytes | None, place: Place | None = None) -> None:
        self.dtype = dtype
        self.shape = shape
        self._raw = raw
        self.place = place

    @classmethod
    def of(cls, array: NDArray[np.generic]) -> StoredArray:
        """A copy of the array, in the order of C."""
        return cls(array.dtype.str, array.shape, array.tobytes())

    @property
    def raw(self) -> bytes | None:
        """The bytes, if they are in memory."""
        return self._raw

    @property
    def size(self) -> int:
        """How many elements it has."""
        count = 1
        for length in self.shape:
            count *= length
        return count

    def settle(self, place: Place) -> None:
        """The checkpoint has it now: let the memory go."""
        self.place, self._raw = place, None

    def made(self, raw: bytes) -> NDArray[np.generic]:
        """A NumPy array of one's own from the bytes."""
        import numpy as np

        flat = np.frombuffer(raw, dtype=np.dtype(self.dtype)).reshape(self.shape)
        return cast("NDArray[np.generic]", flat.copy())

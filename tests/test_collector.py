"""The cyclic collector pauses while many records are made, and goes on afterwards whatever happens."""

from __future__ import annotations

import gc
import threading

import pytest

from acomps.collector import paused, settle


def test_it_goes_on_after_a_pause_also_when_that_fails() -> None:
    assert gc.isenabled()

    def fail() -> None:
        with paused():
            assert not gc.isenabled()
            raise ValueError("on purpose")

    with pytest.raises(ValueError, match="on purpose"):
        fail()
    assert gc.isenabled()


def test_it_goes_on_after_the_last_of_pauses_that_overlap() -> None:
    begun, end = threading.Event(), threading.Event()

    def pause() -> None:
        with paused():
            begun.set()
            end.wait(20)

    thread = threading.Thread(target=pause)
    with paused():
        thread.start()
        assert begun.wait(20)
    assert not gc.isenabled(), "the other pause goes on"
    end.set()
    thread.join()
    assert gc.isenabled()


def test_it_stays_off_when_the_program_has_switched_it_off() -> None:
    gc.disable()
    try:
        with paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_was_made_in_a_pause_is_old_at_once() -> None:
    gc.collect()
    with paused():
        made = [[number] for number in range(5_000)]
    assert not any(young is made[0] for young in gc.get_objects(generation=0))
    assert any(old is made[0] for old in gc.get_objects(generation=2))


def test_what_a_program_has_frozen_stays_frozen() -> None:
    gc.freeze()
    try:
        settle()
        assert gc.get_freeze_count()
    finally:
        gc.unfreeze()

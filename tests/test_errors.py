"""Errors: one tree, clear families, fit to be sent between processes."""

from __future__ import annotations

import pickle
import uuid

import pytest

import acomps

ERRORS: list[acomps.AcompsError] = [
    acomps.UsageError("wrong"),
    acomps.NotSent("lost"),
    acomps.NotFound("gone", status=404, server_message="no such thing", correlation_id="c1"),
    acomps.MissingFiles("missing", md5s=(uuid.UUID(int=7),)),
    acomps.RateLimited("slower", status=429, retry_after_s=2.5),
    acomps.ExtraMissing("charts", "plots"),
    acomps.SaveFailed(acomps.SaveReport(saved=())),
]


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_an_error_comes_out_of_another_process_as_it_was(error: acomps.AcompsError) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert (str(again), vars(again)) == (str(error), vars(error))


def test_errors_are_caught_by_what_can_be_done_about_them() -> None:
    assert issubclass(acomps.ConnectTimedOut, acomps.NotSent)
    assert issubclass(acomps.AnswerTimedOut, acomps.OutcomeUnknown)
    assert issubclass(acomps.MissingFiles, acomps.ValidationFailed)
    assert issubclass(acomps.UsageError, ValueError)

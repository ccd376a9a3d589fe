"""The records as values: to and from the dicts of a store without loss."""

from __future__ import annotations

from pathlib import Path

import pytest
from campaign.conftest import a_loop, a_submission, dicts, made

from acomps.campaign import (
    Element,
    ElementSet,
    Iteration,
    Loop,
    ParameterSource,
    PersistentStore,
    Run,
    Submission,
    Task,
)
from acomps.errors import UsageError


async def test_what_a_store_gives_is_the_same_after_a_way_through_the_records(
    kind: type[PersistentStore], folder: Path
) -> None:
    async with await made(kind, folder) as store:
        await store.add_loop([0], a_loop().to_dict(), {})
        await store.add_submission({**a_submission().to_dict(), "further": {"kept": [1]}})
        await store.append_submission_attempt(0, [0])
        await store.set_jobscript_job_ID(0, 0, "1234")
        await store.set_jobscript_version_info(0, 0, {"scheduler": "direct"})
        await store.set_EAR_submission_indices(0, [(0, 0, 0, 0)])
        await store.set_EAR_start(0, 0, 0, 0)
        template = await store.get_template()
        [task], [loop] = dicts(template["tasks"]), dicts(template["loops"])
        assert Task.from_dict(task).to_dict() == task
        assert Loop.from_dict(loop).to_dict() == loop
        [submission] = await store.get_submissions()
        typed = Submission.from_dict(submission)
        assert typed.to_dict() == submission
        assert typed.more == {"further": {"kept": [1]}}
        assert typed.submission_attempts == [[0]]
        assert typed.jobscripts[0].scheduler_job_ID == "1234"
        source = await store.get_parameter_source(2)
        assert ParameterSource.from_dict(source).to_dict() == source
        assert [*source] == sorted(source)
        for element in await store.get_task_elements(0, 0, slice(0, 2, 1), keep_iterations_idx=True):
            iterations = dicts(element.pop("iterations"))
            index = element.pop("index")
            assert Element.from_dict(element).to_dict() == element
            for iteration in iterations:
                assert iteration.pop("index") == index
                assert Iteration.from_dict(iteration).to_dict() == iteration


def test_the_range_of_an_element_set_has_a_name() -> None:
    document: dict[str, object] = {"inputs": [], "_element_local_idx_range": [0, 2]}
    typed = ElementSet.from_dict(document)
    assert typed.local_range == (0, 2)
    assert typed.to_dict() == document
    assert ElementSet.from_dict({"inputs": []}).to_dict() == {"inputs": []}


@pytest.mark.parametrize(
    ("kind", "document", "wrong"),
    [
        (Task, {}, "insert_ID"),
        (Run, {"index": "1"}, "index"),
        (Run, {"index": 1, "metadata": []}, "metadata"),
        (Element, {"iterations_idx": 3}, "iterations_idx"),
        (Element, {"iterations_idx": ["a"]}, "iterations_idx"),
        (Submission, {"jobscripts": [1]}, "jobscripts"),
    ],
)
def test_a_field_that_is_not_what_it_should_be_is_named(
    kind: type[Task | Run | Element | Submission], document: dict[str, object], wrong: str
) -> None:
    with pytest.raises(UsageError, match=wrong):
        kind.from_dict(document)

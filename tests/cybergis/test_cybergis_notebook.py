"""The widgets of a notebook, driven by their Python side over the real local service."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cybergis.gis_server import GisServer, said, session

from acomps.comps.child import Service
from acomps.cybergis import CyberGISCompute, JobPlan, JobState
from acomps.errors import ExtraMissing, UsageError

if TYPE_CHECKING:
    from acomps.cybergis.notebook import UI

if importlib.util.find_spec("ipywidgets") is None:
    pytest.skip("needs the extra notebook", allow_module_level=True)

STATUS, RESULTS = 1, 2


@asynccontextmanager
async def shown(
    cybergis: CyberGISCompute, folder: Path, *, simple: bool = False, **params: object
) -> AsyncGenerator[UI]:
    """The widgets, whose downloads go to `folder`."""
    ui = await cybergis.show_ui(default_data_folder=folder, input_params=params, simple=simple)
    try:
        yield ui
    finally:
        await ui.aclose()


async def finished(ui: UI) -> None:
    """Wait until what the clicks have begun is done."""
    async with asyncio.timeout(60):
        await ui.work.done()


async def ran(cybergis: CyberGISCompute, plans: Sequence[JobPlan]) -> None:
    """Run jobs to their ends, created in this order."""
    submissions = await cybergis.submit_all(plans, at_once=1)
    async for progress in cybergis.watch([item.job for item in submissions if item.job is not None]):
        assert len(progress.records) == len(plans)


async def test_the_tabs_are_those_of_the_sdk(cybergis: CyberGISCompute, tmp_path: Path) -> None:
    async with shown(cybergis, tmp_path) as ui:
        assert list(ui.tabs.titles) == [
            "Job Configuration",
            "Your Job Status",
            "Download Job Result",
            "Your Jobs",
            "Past Results",
        ]
        assert ui.form.template.value == "hello_world"
        assert list(ui.form.template.options) == ["count_lines", "endless", "failing", "hello_world"]
        assert ui.form.hpc.value == "this_machine"
        assert {"time", "num_of_task"} <= set(ui.form.slurm)
        assert "&lt;b&gt;machine&lt;/b&gt;" in ui.form.description.value


async def test_what_is_chosen_is_what_is_planned(cybergis: CyberGISCompute, tmp_path: Path) -> None:
    async with shown(cybergis, tmp_path, whom="Ben", tone="loud", times=99) as ui:
        setattr(ui.form.slurm["time"], "value", 20)  # noqa: B010 - this field is a slider
        ui.form.send_email.value = True
        with pytest.raises(UsageError, match="address"):
            ui.form.plan()
        ui.form.email.value = "ana@example.org"
        plan = ui.form.plan()
    assert plan.param == {"whom": "Ben", "times": 10, "tone": "loud"}
    assert plan.slurm == {
        "time": "00:20:00",
        "num_of_task": 2,
        "cpu_per_task": 1,
        "memory": "1GB",
        "mail_user": ["ana@example.org"],
        "mail_type": ["FAIL", "END", "BEGIN"],
    }


async def test_another_template_brings_its_own_rules(cybergis: CyberGISCompute, tmp_path: Path) -> None:
    async with shown(cybergis, tmp_path) as ui:
        ui.form.template.value = "count_lines"
        assert list(ui.form.param) == ["unused"]
        assert list(ui.form.hpc.options) == ["this_machine"]
        assert ui.form.slurm == {}


async def test_a_click_submits_follows_and_offers_the_results(cybergis: CyberGISCompute, tmp_path: Path) -> None:
    async with shown(cybergis, tmp_path, whom="Cleo") as ui:
        ui.form.give_name.value = True
        ui.form.name.value = "my / first job"
        ui.form.submit_button.click()
        assert not ui.form.submit_button.disabled, "the click itself does nothing that lasts"
        await finished(ui)
        assert ui.job is not None
        assert ui.job.record.succeeded
        assert ui.job.id in ui.status.heading.value
        assert "exit code 0" in ui.status.heading.value
        assert "JOB_ENDED" in ui.status.events.value
        assert "tasks will greet Cleo" in ui.status.logs.value
        assert ui.tabs.titles[STATUS] == "✅ Your Job Status"
        assert ui.tabs.titles[RESULTS] == "✅ Download Job Result"
        assert list(ui.results.folder.options) == ["/", "/greetings", "/slurm_log"]
        names = {folder.name for folder in await cybergis.folders.list()}
        assert {"myfirstjob_executable", "myfirstjob_result"} <= names
        ui.results.folder.value = "/greetings"
        ui.results.download.click()
        await finished(ui)
        assert ui.recent_download == str(tmp_path / f"results_{ui.job.id}")
        assert (tmp_path / f"results_{ui.job.id}" / "greetings" / "task-1.txt").is_file()
        ui.results.copy.click()
        await finished(ui)
        assert "The results are in" in ui.results.message.value
        ui.form.submit_new_button.click()
        assert ui.tabs.titles[STATUS] == "Your Job Status"


async def test_simple_downloads_by_itself(cybergis: CyberGISCompute, tmp_path: Path) -> None:
    async with shown(cybergis, tmp_path, simple=True) as ui:
        ui.form.submit_button.click()
        await finished(ui)
        assert ui.recent_download is not None
        assert Path(ui.recent_download, "all.txt").is_file()


async def test_a_program_that_fails_is_shown_as_failed(cybergis: CyberGISCompute, tmp_path: Path) -> None:
    async with shown(cybergis, tmp_path) as ui:
        ui.form.template.value = "failing"
        ui.form.submit_button.click()
        await finished(ui)
        assert "its program failed, exit code 3" in ui.status.heading.value
        assert ui.tabs.titles[STATUS].startswith("❌")


async def test_a_refusal_is_told_and_can_be_corrected(cybergis: CyberGISCompute, tmp_path: Path) -> None:
    async with shown(cybergis, tmp_path) as ui:
        ui.form.template.value = "failing"
        ui.form.hpc.value = "closed"
        ui.form.submit_button.click()
        await finished(ui)
        assert "You may not use closed" in ui.form.message.value
        assert not ui.form.submit_button.disabled
        assert ui.job is None


async def test_data_is_chosen_from_folders(cybergis: CyberGISCompute, cybergis_data: Path) -> None:
    (cybergis_data / "inner").mkdir(exist_ok=True)
    (cybergis_data / "inner" / "lines.txt").write_text("1\n2\n")
    async with shown(cybergis, cybergis_data) as ui:
        ui.form.template.value = "count_lines"
        assert list(ui.form.upload.inside.options)[:3] == ["", "..", "inner"]
        ui.form.upload.inside.value = "inner"
        ui.form.upload.inside.value = ".."
        ui.form.upload.inside.value = "inner"
        assert ui.form.upload.path == (cybergis_data / "inner").resolve()
        ui.form.submit_button.click()
        await finished(ui)
        assert ui.job is not None, ui.form.message.value
        assert ui.job.record.succeeded, ui.status.logs.value
        ui.results.download.click()
        await finished(ui)
        assert Path(str(ui.recent_download), "lines.txt").read_text().strip() == "2"


async def test_a_running_job_can_be_cancelled(cybergis: CyberGISCompute, tmp_path: Path) -> None:
    async with shown(cybergis, tmp_path) as ui:
        job = await cybergis.submit(JobPlan(executable_folder="endless"))
        ui.work.begin(ui.follow(job))
        async for _ in job.events(basic=True):
            if not ui.status.cancel.disabled:
                ui.status.cancel.click()
                break
        await finished(ui)
        assert job.record.state is JobState.CANCELED
        assert "cancelled" in ui.status.heading.value


async def test_earlier_jobs_are_listed_five_at_a_time_and_restored(cybergis: CyberGISCompute, tmp_path: Path) -> None:
    plans = [
        JobPlan(executable_folder="hello_world", param={"whom": f"w{n}", "times": n, "tone": "loud"})
        for n in range(1, 7)
    ]
    await ran(cybergis, plans)
    async with shown(cybergis, tmp_path) as ui:
        assert len(ui.jobs.restore_buttons) == 5
        ui.jobs.more.click()
        assert len(ui.jobs.restore_buttons) > 5
        ui.jobs.restore_buttons[1].click()
        await finished(ui)
        assert ui.form.plan().param == {"whom": "w5", "times": 5, "tone": "loud"}
        assert ui.job is not None
        assert ui.job.record.param["whom"] == "w5"


async def test_folders_are_shown_ten_per_page_renamed_and_copied(cybergis: CyberGISCompute, tmp_path: Path) -> None:
    await ran(cybergis, [JobPlan(executable_folder="hello_world")] * 6)
    async with shown(cybergis, tmp_path) as ui:
        newest = [folder.id for folder, *_ in ui.folders.rows]
        assert len(newest) == 10
        ui.folders.next.click()
        assert not set(newest) & {folder.id for folder, *_ in ui.folders.rows}
        ui.folders.previous.click()
        folder, name, fetch, rename = ui.folders.rows[0]
        assert folder.id == newest[0]
        name.value = "a_new_name"
        rename.click()
        await finished(ui)
        assert ui.folders.rows[0][0].name == "a_new_name"
        fetch.click()
        await finished(ui)
        assert (
            f"a_new_name_globus_download_{folder.id}" in str(ui.recent_download) or "is in" in ui.folders.message.value
        )


async def test_without_a_login_the_widgets_ask_for_one(cybergis_service: Service, tmp_path: Path) -> None:
    stranger = CyberGISCompute(cybergis_service.url, None, token_file=tmp_path / "t.json", environ={})
    async with stranger as cybergis, shown(cybergis, tmp_path) as ui:
        assert "none was found" in ui.message.value
        ui.host.value, ui.token.value = "localhost", "wrong"
        ui.login_button.click()
        await finished(ui)
        assert "Log in again" in ui.message.value
        assert ui.token.value == ""
        ui.token.value = cybergis_service.password
        ui.login_button.click()
        await finished(ui)
        assert cybergis.is_login()
        assert ui.form.template.value == "hello_world"


async def test_a_server_without_templates_leaves_nothing_to_choose(tmp_path: Path) -> None:
    script = [said({"git": {}}), said({"hpc": {}}), said({"announcements": []})]
    async with GisServer(*script) as server, session(server, tmp_path) as cybergis:
        with pytest.raises(UsageError, match="nothing to choose"):
            await cybergis.show_ui()


async def test_announcements_are_shown_as_text(tmp_path: Path) -> None:
    announced = [{"poster": "ops", "message": "<script>maintenance</script>", "time_stamp": "Friday"}]
    template = {"default_hpc": "toy", "supported_hpc": ["toy"], "name": "hello"}
    script = [said({"git": {"t": template}}), said({"hpc": {"toy": {}}}), said({"announcements": announced})]
    server = GisServer(*script, said({"job": []}), said({"folder": []}))
    async with server, session(server, tmp_path) as cybergis, shown(cybergis, tmp_path) as ui:
        assert "&lt;script&gt;maintenance" in ui.form.announcements.value
        assert len(server.ledger) == 6, "one request for each thing that is shown"


async def test_without_the_extra_the_error_names_it(cybergis: CyberGISCompute, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("acomps.cybergis.notebook")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    with pytest.raises(ExtraMissing, match=r"acomps\[notebook\]"):
        await cybergis.show_ui()

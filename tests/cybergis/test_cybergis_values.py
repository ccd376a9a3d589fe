"""Tokens, rules, tables and the names of the SDK: values that need no server."""

from __future__ import annotations

import importlib
import io
import pickle
import zipfile
from datetime import timedelta
from pathlib import Path

import pytest
from cybergis.gis_server import HOST, SECRET, TOKEN, job
from cybergis.seed_names import NAMES
from hypothesis import given
from hypothesis import strategies as st

import acomps.cybergis
from acomps.cybergis import (
    Hpc,
    HubToken,
    JobRecord,
    ParamRule,
    Slurm,
    SlurmRule,
    SlurmUsage,
    Template,
    Zip,
    display,
    markdown,
)
from acomps.cybergis.counterparts import COUNTERPARTS
from acomps.cybergis.rules import seconds_to_time, unit_time_to_seconds
from acomps.errors import UsageError


def test_every_public_name_of_the_sdk_has_a_counterpart() -> None:
    assert set(COUNTERPARTS) == NAMES


@pytest.mark.parametrize("path", sorted(set(COUNTERPARTS.values())))
def test_a_counterpart_is_really_there(path: str) -> None:
    pytest.importorskip("ipywidgets", reason="the counterparts of the SDK's UI need the extra notebook")
    found: object = acomps.cybergis
    for name in path.split("."):
        inside = getattr(found, name, None)
        declared = name in getattr(found, "__annotations__", {})  # an attribute that an instance has
        if inside is None and not declared:
            inside = importlib.import_module(f"{getattr(found, '__name__', '')}.{name}")
        found = inside


@pytest.mark.parametrize("host", [HOST, f"https://{HOST}/", f"http://{HOST}", f" {HOST} "])
def test_a_token_travels_with_the_bare_host_of_its_hub(host: str) -> None:
    assert HubToken(host, f"{SECRET}\n").encoded == TOKEN
    assert HubToken.decode(TOKEN) == HubToken(HOST, SECRET)


@pytest.mark.parametrize("text", ["", "not base64", "aGVsbG8=", "QEA=", "8J+YgA=="])
def test_a_text_that_is_no_token_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        HubToken.decode(text)
    assert not text or text not in str(caught.value)


def test_a_token_hides_its_secret_in_its_text_form() -> None:
    assert SECRET not in repr(HubToken(HOST, SECRET))


def test_rules_that_say_little_get_limits_all_the_same() -> None:
    rules = {"num_of_task": {"default_value": 4}, "time": {"default_value": 10, "unit": "Minutes"}, "odd": {}}
    tasks, time = sorted(SlurmRule.read_all(rules), key=lambda rule: rule.name)
    assert tasks.limits is not None
    assert (tasks.limits.lowest, tasks.limits.highest, tasks.limits.step) == (0, 8, 1)
    assert [tasks.setting(0), tasks.setting(3)] == [None, 3]
    assert time.setting(90) == "01:30:00"


def test_settings_are_sent_with_the_unit_of_their_rule() -> None:
    rules = {
        "memory": {"default_value": 4, "unit": "GB"},
        "partition": {"default_value": "a", "options": ["b"]},
        "gpus": {"default_value": 1, "unit": "None"},
        "time": {"default_value": 2, "unit": "Days", "max": 3},
    }
    found = {rule.name: rule for rule in SlurmRule.read_all(rules)}
    assert found["memory"].setting(6) == "6GB"
    assert found["partition"].options == ("b", "a")
    assert found["gpus"].setting(2) == 2
    assert found["time"].setting(2) == "02-00:00:00"


def test_parameters_of_unknown_types_are_left_out() -> None:
    rules = {
        "size": {"type": "integer", "default_value": 3, "max": 9},
        "mode": {"type": "string_option", "default_value": "x", "options": ["y"]},
        "text": {"type": "string_input", "default_value": "t"},
        "file": {"type": "picture"},
        "broken": 7,
    }
    assert [rule.name for rule in ParamRule.read_all(rules)] == ["size", "mode", "text"]


@given(st.integers(0, 50), st.integers(0, 23), st.integers(0, 59), st.integers(0, 59))
def test_a_duration_keeps_its_seconds(days: int, hours: int, minutes: int, seconds: int) -> None:
    total = round(timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds).total_seconds())
    date, _, clock = seconds_to_time(total).rpartition("-")
    parts = [int(part) for part in clock.split(":")]
    assert int(date or 0) * 86_400 + parts[0] * 3_600 + parts[1] * 60 + parts[2] == total


def test_a_unit_of_time_that_nobody_knows_is_refused() -> None:
    assert [unit_time_to_seconds(unit, 2) for unit in ("Minutes", "Hours", "Days")] == [120, 7_200, 172_800]
    with pytest.raises(ValueError, match="Weeks"):
        unit_time_to_seconds("Weeks", 1)


def test_slurm_settings_are_checked_before_they_are_sent() -> None:
    made = Slurm(time=timedelta(minutes=90), memory="4GB", mail_type=("END",))
    assert made.document() == {"time": "01:30:00", "memory": "4GB", "mail_type": ["END"]}
    with pytest.raises(UsageError, match="memory"):
        Slurm(memory="a lot")
    with pytest.raises(UsageError, match="time"):
        Slurm(time="soon")


def test_usage_is_read_with_and_without_the_slip_of_the_original() -> None:
    told = {"nodes": 3, "cpus": "12", "memory": "16gb", "memoryUsage": "61.5mb"}
    slip = {"cpuTime": "00 days, 01 hours, 02 minutes, 125 seconds", "walltime": "soon"}
    right = {"cpuTime": "00 days, 01 hours, 02 minutes, 05 seconds"}
    usage = SlurmUsage.read({**told, **slip})
    assert usage.cpu_time == SlurmUsage.read({**told, **right}).cpu_time == timedelta(hours=1, minutes=2, seconds=5)
    assert (usage.nodes, usage.cpus, usage.memory_bytes, usage.walltime) == (3, 12, 16 * 1024**3, None)
    assert usage.memory_usage_bytes == round(61.5 * 1024**2)
    assert "61.5 MiB" in str(display(usage))


def test_a_table_is_text_in_a_terminal_and_html_in_a_notebook() -> None:
    table = display([Hpc(name="<b>toy</b>", ip="login.example.org", port=22, description="x" * 200)])
    lines = str(table).splitlines()
    assert lines[0].split() == ["name", "ip", "port", "is_community_account", "description"]
    assert max(map(len, lines)) < 160
    assert "&lt;b&gt;toy&lt;/b&gt;" in table.html()
    assert "<b>toy" not in table.html()
    assert "x" * 200 in table.html()
    assert str(display([])) == "(nothing)"


def test_one_record_stands_upright_and_columns_can_be_chosen() -> None:
    record = JobRecord.read(job(slurmId="17"))
    assert [line.split()[:2] for line in str(display(record)).splitlines()[2:4]] == [
        ["id", record.id],
        ["state", "submitted"],
    ]
    assert str(display([record], ["slurm_id", "hpc"])).split() == [
        "slurm_id",
        "hpc",
        "-" * 8,
        "-" * 13,
        "17",
        record.hpc,
    ]
    with pytest.raises(UsageError, match="colour"):
        display([record], ["colour"])


def test_everything_that_can_be_listed_can_be_shown() -> None:
    template = Template.read("hello_world", {"container": "python"})
    assert "git://hello_world" in str(display((template,)))
    shown = str(display(JobRecord.read(job(localExecutableFolder={"type": "git", "gitId": "hello_world"}))))
    assert "hello_world" in shown
    assert "created" in shown


def test_markdown_keeps_bars_and_line_breaks_inside_their_cells() -> None:
    assert markdown([["a|b", "c\nd"]], ["one", "two"]).splitlines() == [
        "| one | two |",
        "| --- | --- |",
        "| a&#124;b | c<br>d |",
    ]
    assert markdown([["a"]], []) == ""


def test_records_can_be_sent_between_processes() -> None:
    record = JobRecord.read(job(param={"size": 3}))
    assert pickle.loads(pickle.dumps(record)) == record


async def test_a_zip_is_made_in_memory(tmp_path: Path) -> None:
    made = Zip().mkdir("empty").append("a/b.txt", "text").append("c", b"\0")
    file = await made.write(tmp_path / "made.zip")
    with zipfile.ZipFile(io.BytesIO(await made.read())) as archive:
        assert archive.namelist() == ["empty/", "a/b.txt", "c"]
        assert archive.read("a/b.txt") == b"text"
    assert zipfile.is_zipfile(file)

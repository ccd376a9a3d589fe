"""A campaign on CyberGIS-Compute: the second gateway, as the local service answers it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import anyio

import acomps
from acomps.campaign import Campaign, CyberGISGateway, Gateway, RerunPolicy, Stage
from acomps.comps.child import start_service
from acomps.cybergis import CyberGISCompute, HubToken, JobPlan

CONFIGURATION = """
[[cybergis.hpcs]]
name = "this_machine"
[[cybergis.templates]]
name = "square"
folder = "{folder}"
"""
MANIFEST = {
    "name": "square",
    "container": "none",
    "execution_stage": "bash square.sh",
    "supported_hpc": ["this_machine"],
    "param_rules": {"x": {"type": "integer", "default_value": 0, "min": 0, "max": 100}},
}
SCRIPT = """echo "$param_x" >> "{log}"
test "$param_x" != 13 || exit 3
echo "{{\\"y\\": $((param_x * param_x))}}" > "$result_folder/out.json"
"""


def square(files: Mapping[str, bytes]) -> dict[str, object]:
    return {"y": json.loads(files["out.json"])["y"]}


async def test_a_sweep_of_twenty_points_runs_on_cybergis_compute_and_is_done_once(tmp_path: Path) -> None:
    template, log = tmp_path / "square", tmp_path / "runs"
    template.mkdir()
    (template / "manifest.json").write_text(json.dumps(MANIFEST))
    (template / "square.sh").write_text(SCRIPT.format(log=log))
    (tmp_path / "service.toml").write_text(CONFIGURATION.format(folder=template))
    stage = Stage(name="squares", sweep=acomps.sweep({"x": 0}, {"x": range(20)}))

    def campaign() -> Campaign:
        policy = RerunPolicy(attempts=2)
        return Campaign(
            tmp_path / "campaign", name="squares", stages=[stage], outputs=["out.json"], read=square, policy=policy
        )

    async with start_service(tmp_path / "data", options=["--config", str(tmp_path / "service.toml")]) as service:
        settings = acomps.Settings(token_cache_dir=tmp_path)
        token = HubToken("localhost", service.password)
        host, _, port = service.url.rpartition("/")[2].rpartition(":")
        async with CyberGISCompute(
            host, port, "HTTP", token=token, token_file=tmp_path / "token", settings=settings
        ) as cybergis:
            gateway = CyberGISGateway(cybergis, JobPlan(executable_folder="square", hpc="this_machine"))
            assert isinstance(gateway, Gateway)
            with anyio.fail_after(100):
                status = await campaign().run(gateway)
                again = await campaign().run(gateway)
    assert (status.succeeded, status.failed, status.complete) == (19, 1, True)
    assert again == status
    results = {one.inputs["x"]: (one.outputs or {}).get("y", one.error) for one in await campaign().results()}
    assert results.pop(13) == "ended, exit code 3"
    assert results == {x: x * x for x in range(20) if x != 13}
    assert sorted(map(int, log.read_text().split())) == sorted([*range(20), 13])

"""A local service of one's own, and a session with its CyberGIS side."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from pathlib import Path

import pytest
import pytest_asyncio

from acomps.comps.child import Service, start_service
from acomps.cybergis import CyberGISCompute, HubToken
from acomps.settings import Settings


@pytest.fixture(scope="session")
def cybergis_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder out of which jobs may take their data."""
    return tmp_path_factory.mktemp("data")


CONFIGURATION = """
[cybergis]
data_folders = ["{data}"]
[[cybergis.hpcs]]
name = "this_machine"
description = "A <b>machine</b> for tests."
[[cybergis.hpcs]]
name = "closed"
allowlist = ["somebody@elsewhere"]
[[cybergis.templates]]
name = "failing"
folder = "{templates}/failing"
[[cybergis.templates]]
name = "endless"
folder = "{templates}/endless"
[[cybergis.templates]]
name = "count_lines"
folder = "{templates}/count_lines"
"""
MANIFESTS: dict[str, dict[str, object]] = {
    "failing": {"execution_stage": "sh -c 'echo oh no >&2; exit 3'"},
    "endless": {"execution_stage": "sleep 600"},
    "count_lines": {
        "execution_stage": "bash count.sh",
        "require_upload_data": True,
        "supported_hpc": ["this_machine"],
        "param_rules": {"unused": {"type": "integer", "default_value": 2, "min": 1, "max": 3}},
    },
}


@pytest_asyncio.fixture(scope="session")
async def cybergis_service(tmp_path_factory: pytest.TempPathFactory, cybergis_data: Path) -> AsyncGenerator[Service]:
    """The service that the tests of this folder share, with templates of its own."""
    folder = tmp_path_factory.mktemp("cybergis")
    for name, manifest in MANIFESTS.items():
        template = folder / "templates" / name
        template.mkdir(parents=True)
        (template / "manifest.json").write_text(json.dumps({"name": name, "container": "none", **manifest}))
        (template / "count.sh").write_text('cat "$data_folder"/*.txt | wc -l >"$result_folder/lines.txt"')
    configuration = folder / "service.toml"
    configuration.write_text(CONFIGURATION.format(data=cybergis_data, templates=folder / "templates"))
    options = ["--cores", "4", "--config", str(configuration)]
    async with start_service(folder / "service", options=options) as running:
        yield running


def token_of(service: Service) -> HubToken:
    """The token of the service's one user."""
    return HubToken("localhost", service.password)


@pytest_asyncio.fixture(scope="session")
async def cybergis(
    cybergis_service: Service, tmp_path_factory: pytest.TempPathFactory
) -> AsyncGenerator[CyberGISCompute]:
    """A session with the service."""
    folder = tmp_path_factory.mktemp("tokens")
    async with CyberGISCompute(
        cybergis_service.url,
        None,
        token=token_of(cybergis_service),
        token_file=folder / "token.json",
        settings=Settings(),
        environ={},
    ) as session:
        yield session

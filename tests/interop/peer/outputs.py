"""Running simulations, and what they leave behind."""

from __future__ import annotations

from typing import Any

from interop.peer.library import Client, assets, data, variable
from interop.peer.scenario import scenario


def _job(simulation: Any, number: int | None) -> Any:
    if number is None:
        return None
    simulation.refresh(data.QueryCriteria().select_children("hpc_jobs"))
    return simulation.hpc_jobs[number]


@scenario("CommissionableEntity.commission Client.put")
def commission(kind: str, id: str) -> object:
    """Commission an entity: the state that pyCOMPS then believes in."""
    entity = getattr(data, kind).get(id)
    entity.commission()
    return getattr(entity, "state", None)


@scenario("CommissionableEntity.cancel Client.put")
def cancel(kind: str, id: str) -> object:
    """Cancel an entity: the state that pyCOMPS then believes in."""
    entity = getattr(data, kind).get(id)
    entity.cancel()
    return getattr(entity, "state", None)


@scenario(
    "Suite.commission Suite.cancel Experiment.commission Experiment.cancel",
    "Simulation.commission Simulation.cancel WorkItem.commission WorkItem.cancel",
)
def commission_and_cancel(entities: dict[str, str]) -> None:
    """Commission and at once cancel one entity of each kind."""
    for kind, id in entities.items():
        entity = getattr(data, kind).get(id)
        entity.commission()
        entity.cancel()


@scenario(
    "Simulation.retrieve_output_file_info AssetManager.retrieve_output_file_info OutputFileMetadata.length",
    "OutputFileMetadata.friendly_name OutputFileMetadata.path_from_root OutputFileMetadata.url",
    "OutputFileMetadata.mime_type",
)
def outputs_of(id: str, paths: list[str] | None = None, job: int | None = None) -> object:
    """The metadata of a simulation's outputs, read one by one."""
    simulation = data.Simulation.get(id)
    return [
        {
            "name": found.friendly_name,
            "folder": found.path_from_root,
            "length": found.length,
            "url": found.url,
            "type": found.mime_type,
        }
        for found in simulation.retrieve_output_file_info(paths, _job(simulation, job))
    ]


@scenario(
    "Simulation.retrieve_output_files Simulation.retrieve_output_files_from_info",
    "Simulation.static_retrieve_output_files AssetManager.retrieve_output_files_from_info",
)
def read_outputs(id: str, paths: list[str], job: int | None = None) -> object:
    """The contents of outputs, asked for in three ways."""
    simulation = data.Simulation.get(id)
    chosen = _job(simulation, job)
    described = simulation.retrieve_output_file_info(paths, chosen)
    return [
        simulation.retrieve_output_files(paths, chosen),
        simulation.retrieve_output_files_from_info(described, chosen),
        data.Simulation.static_retrieve_output_files(id, paths, chosen),
    ]


@scenario("Simulation.retrieve_output_files")
def zip_outputs(id: str, paths: list[str] | None, job: int | None = None) -> object:
    """A zip of outputs; of all of them when no path is named."""
    simulation = data.Simulation.get(id)
    return simulation.retrieve_output_files(paths, _job(simulation, job), as_zip=True)


@scenario("AssetManager.retrieve_partial_output_file_from_info")
def read_part(id: str, path: str, first: int, last: int | None = None) -> object:
    """A part of an output, and which part it was."""
    [described] = data.Simulation.get(id).retrieve_output_file_info([path])
    actual: list[int] = []
    content = assets.retrieve_partial_output_file_from_info(described, first, last, actual)
    return {"content": content, "range": actual}


@scenario("AssetManager.retrieve_partial_output_file_from_info")
def read_part_quietly(id: str, path: str, first: int, last: int | None = None) -> object:
    """A part of an output, without asking which part it was."""
    [described] = data.Simulation.get(id).retrieve_output_file_info([path])
    return assets.retrieve_partial_output_file_from_info(described, first, last)


@scenario("Client.get")
def stream(id: str, path: str, start: int) -> object:
    """An output from a place on, in blocks, with the raw client."""
    [described] = data.Simulation.get(id).retrieve_output_file_info([path])
    url = described.url[described.url.find("/asset/") :]
    answer = Client.get(url, stream=True, headers={"Range": f"bytes={start}-"})
    return {"status": answer.status_code, "content": b"".join(answer.iter_content(1000))}


@scenario("HpcJob.working_directory")
def mapped_directory(id: str, mapping: str) -> object:
    """The working directory of the newest job, as somebody sees it who has it mounted elsewhere."""
    simulation = data.Simulation.get(id, data.QueryCriteria().select_children("hpc_jobs"))
    with variable("COMPS_DATA_MAPPING", mapping):
        return simulation.hpc_jobs[-1].working_directory

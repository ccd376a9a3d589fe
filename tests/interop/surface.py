"""Every public name of pyCOMPS 2.11.0, by class or module, as its documentation lists them; `=` marks a setter."""

from __future__ import annotations

from typing import Final

__all__ = ["ELSEWHERE", "ENUMERATIONS", "names"]

_TAGGED: Final = "set_tags merge_tags delete_tags get_parent_related_workitems"
_COMMISSIONED: Final = f"commission cancel delete {_TAGGED}"
_DESCRIBED: Final = (
    "__init__ id name name= description description= owner date_created last_modified tags get refresh save"
)
_FILE: Final = "__init__ file_name md5_checksum length uri retrieve"

_NAMES: Final = {
    "Client": "auth_manager login logout post put get delete request raise_err_from_resp",
    "AuthManager": (
        "__init__ username hoststring groups environments has_auth_token get_auth_token clear_auth_token "
        "get_environment_macros get_group_name_for_environment"
    ),
    "CredentialPrompt": "prompt get_credential_prompt",
    "ConsoleCredentialPrompt": "prompt",
    "TKCredentialPrompt": "prompt",
    "AssetCollection": (
        "__init__ id date_created tags assets get refresh save add_asset retrieve_as_zip static_retrieve_as_zip "
        f"{_TAGGED}"
    ),
    "AssetCollectionFile": f"{_FILE} relative_path tags",
    "AssetFile": f"{_FILE} get_media_type_from_filename",
    "AssetManager": (
        "retrieve_asset_files retrieve_output_file_info retrieve_output_files_from_info "
        "retrieve_partial_output_file_from_info upload_large_asset"
    ),
    "BaseEntity": "get_entity_type",
    "CommissionableEntity": "commission cancel delete",
    "Configuration": (
        "__init__ environment_name simulation_input_args working_directory_root executable_path node_group_name "
        "maximum_number_of_retries priority min_cores max_cores exclusive asset_collection_id"
    ),
    "Experiment": f"{_DESCRIBED} {_COMMISSIONED} suite_id suite_id= configuration configuration= get_simulations",
    "HpcJob": (
        "job_id job_state priority working_directory output_directory_size submit_time start_time end_time "
        "error_message configuration"
    ),
    "OutputFileMetadata": "length friendly_name path_from_root url mime_type",
    "QueryCriteria": (
        "__init__ fields children filters tag_filters orderby offset count xparams select select_children where "
        "where_tag add_extra_params to_param_dict"
    ),
    "RelatableEntity": "get_parent_related_workitems",
    "SerializableEntity": (
        "convert_if_string json_entity json_entity_internal json_property parse_ISO8601_date "
        "parse_namedtuple_from_dict py2rest rest2py convertToDict"
    ),
    "json_property_internal": "__init__",
    "Simulation": (
        f"{_DESCRIBED} {_COMMISSIONED} experiment_id experiment_id= state error_message configuration configuration= "
        "files hpc_jobs get_save_semaphore save_all add_file retrieve_output_files retrieve_output_file_info "
        "retrieve_output_files_from_info static_retrieve_output_files"
    ),
    "SimulationFile": f"{_FILE} file_type description",
    "Suite": f"{_DESCRIBED} {_COMMISSIONED} configuration configuration= get_experiments",
    "TaggableEntity": "set_tags merge_tags delete_tags",
    "WorkItem": (
        f"{_DESCRIBED} {_COMMISSIONED} worker environment_name state error_message host_name worker_instance_id "
        "priority working_directory working_directory_size asset_collection_id files plugins get_related_work_items "
        "get_related_suites get_related_experiments get_related_simulations get_related_asset_collections "
        "add_related_work_item add_related_suite add_related_experiment add_related_simulation "
        "add_related_asset_collection get_save_semaphore save_all add_work_order add_file retrieve_output_files "
        "retrieve_output_file_info retrieve_output_files_from_info static_retrieve_output_files"
    ),
    "WorkItemFile": f"{_FILE} file_type description",
    "BuilderWorkItem": "__init__ save",
}

#: Its enumerations: their members are compared with acomps's own.
ENUMERATIONS: Final = frozenset(
    [
        "AssetType",
        "EntityType",
        "HpcState",
        "Priority",
        "RelationType",
        "SimulationState",
        "TagOperationMode",
        "WorkItemState",
    ]
)

#: What no scenario calls, and why.
ELSEWHERE: Final = {
    "TKCredentialPrompt.prompt": "opens a window, and there is no screen",
    "CredentialPrompt.prompt": "is abstract",
    "CredentialPrompt.get_credential_prompt": "is what comps-util logs in with: somebody types at a terminal",
    "ConsoleCredentialPrompt.prompt": "is what comps-util logs in with: somebody types at a terminal",
    "SerializableEntity.json_entity": "decorates pyCOMPS's own classes while they are imported",
    "SerializableEntity.json_entity_internal": "decorates pyCOMPS's own classes while they are imported",
    "SerializableEntity.json_property": "decorates pyCOMPS's own classes while they are imported",
    "json_property_internal.__init__": "decorates pyCOMPS's own classes while they are imported",
}


def names() -> frozenset[str]:
    """Every name, like Simulation.save."""
    return frozenset(f"{owner}.{name}" for owner, listed in _NAMES.items() for name in listed.split())

"""Campaigns that survive: the store of a workflow, which keeps what was planned, sent, run and found.

A workflow is a folder; its store is a `JSONPersistentStore` (three JSON files, those of hpcFlow's own store) or a
`ZarrPersistentStore` (Zarr format 3, which can hold numeric arrays). Both keep every change in a journal first, so a
process that is killed leaves the state before or after a change. A `PersistentStore` is used by one process at a time;
other processes report through a `Reporter`. Everything is a coroutine but what says so.

========================  ====================================================================================
life                      PersistentStore(workflow) · write_empty_workflow · path_has_store · exists · copy ·
                          delete · delete_no_confirm · cached_load (async with) · is_modified_on_disk;
                          also: async with, batch_update (async with), take_in, checkpoint, aclose
properties                workflow · workflow_path · store_path · store_name · features · ts_fmt · has_pending
pending changes           save · commit_pending · reject_pending and clear_pending (plain functions)
set-aside folders         remove_replaced_dir · reinstate_replaced_dir
adding                    add_template_components · add_empty_task · add_element_set · add_elements ·
                          add_element_iterations · add_EARs · add_loop · add_parameter_data ·
                          add_unset_parameter_data · add_submission · append_submission_attempt
setting                   set_parameter · set_EAR_submission_indices · set_EAR_start · set_EAR_end ·
                          set_jobscript_submit_time · set_jobscript_job_ID · set_jobscript_version_info ·
                          update_loop_num_added_iters
reading                   get_creation_info · get_template · get_template_components · get_loops ·
                          get_submissions · get_num_added_tasks · get_all_tasks_metadata · get_task_elements ·
                          get_task_elements_islice (async for) · get_parameter_data · get_all_parameter_data ·
                          get_parameter_source · is_parameter_set · check_parameters_exist
of one form               JSON: load · load_metadata · load_submissions · load_parameter_data ·
                          get_task_idx_from_insert_ID; Zarr: load_metadata
functions                 store_cls_from_path · store_cls_from_str and dropbox_retry_fail (plain) · remove_dir ·
                          rename_dir · temporary_workflow_rename
========================  ====================================================================================

The records of a workflow are also there as values (`Task`, `Element`, `Iteration`, `Run`, ...), which convert to and
from the dicts that these methods take and give.

A `Campaign` runs stages of simulations over such a store. In its terms: campaign = workflow, `Stage` = task, round =
loop iteration, point = element, attempt on the gateway = run, order of jobs = submission, batch of an order =
jobscript; config values and what is read of outputs are parameters with their sources. It speaks to a `Gateway`.
"""

from acomps.campaign.encoding import ParameterValue
from acomps.campaign.errors import (
    AlreadySet,
    NoSuchRecord,
    StoreDamaged,
    StoreFailed,
    StoreInUse,
    WorkflowBatchUpdateFailedError,
    WorkflowNotFoundError,
)
from acomps.campaign.features import PersistentStoreFeatures
from acomps.campaign.folders import dropbox_retry_fail, remove_dir, rename_dir, temporary_workflow_rename
from acomps.campaign.inbox import Reporter
from acomps.campaign.model import (
    Element,
    ElementSet,
    Iteration,
    Jobscript,
    Loop,
    ParameterSource,
    Run,
    RunMetadata,
    Submission,
    Task,
)
from acomps.campaign.runner.campaign import Campaign
from acomps.campaign.runner.comps_gateway import CompsGateway
from acomps.campaign.runner.course import CampaignFailed
from acomps.campaign.runner.cybergis_gateway import CyberGISGateway
from acomps.campaign.runner.facts import DefinitionChanged
from acomps.campaign.runner.gateway import Created, Ended, Gateway, Group, Job, JobFile, Order
from acomps.campaign.runner.readers import Channels, documents
from acomps.campaign.runner.results import Result, Results
from acomps.campaign.runner.stages import RerunPolicy, Stage
from acomps.campaign.runner.status import CampaignStatus, StageStatus
from acomps.campaign.store import PersistentStore
from acomps.campaign.stores import (
    JSONPersistentStore,
    ZarrPersistentStore,
    store_cls_from_path,
    store_cls_from_str,
)
from acomps.campaign.workflow import Workflow, WorkflowFolder

__all__ = [
    "AlreadySet",
    "Campaign",
    "CampaignFailed",
    "CampaignStatus",
    "Channels",
    "CompsGateway",
    "Created",
    "CyberGISGateway",
    "DefinitionChanged",
    "Element",
    "ElementSet",
    "Ended",
    "Gateway",
    "Group",
    "Iteration",
    "JSONPersistentStore",
    "Job",
    "JobFile",
    "Jobscript",
    "Loop",
    "NoSuchRecord",
    "Order",
    "ParameterSource",
    "ParameterValue",
    "PersistentStore",
    "PersistentStoreFeatures",
    "Reporter",
    "RerunPolicy",
    "Result",
    "Results",
    "Run",
    "RunMetadata",
    "Stage",
    "StageStatus",
    "StoreDamaged",
    "StoreFailed",
    "StoreInUse",
    "Submission",
    "Task",
    "Workflow",
    "WorkflowBatchUpdateFailedError",
    "WorkflowFolder",
    "WorkflowNotFoundError",
    "ZarrPersistentStore",
    "documents",
    "dropbox_retry_fail",
    "remove_dir",
    "rename_dir",
    "store_cls_from_path",
    "store_cls_from_str",
    "temporary_workflow_rename",
]

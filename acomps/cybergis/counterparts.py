"""What each public name of the CyberGIS-Compute SDK is here, as a path from `acomps.cybergis`."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["COUNTERPARTS"]

_ROWS: Final = """
Client.Client                                    CyberGISCompute
Client.Client.url                                CyberGISCompute.server
Client.Client.port                               CyberGISCompute.server
Client.Client.suffix                             CyberGISCompute
Client.Client.request                            CyberGISCompute.request
CyberGISCompute.CyberGISCompute                  CyberGISCompute
CyberGISCompute.CyberGISCompute.client           CyberGISCompute.request
CyberGISCompute.CyberGISCompute.jupyterhubApiToken  HubToken.encoded
CyberGISCompute.CyberGISCompute.username         CyberGISCompute.username
CyberGISCompute.CyberGISCompute.isJupyter        display
CyberGISCompute.CyberGISCompute.ui               CyberGISCompute.show_ui
CyberGISCompute.CyberGISCompute.job              CyberGISCompute.get_latest_created_job
CyberGISCompute.CyberGISCompute.recentDownloadPath  notebook.UI.recent_download
CyberGISCompute.CyberGISCompute.jupyterhubHost   HubToken.host
CyberGISCompute.CyberGISCompute.create_job       CyberGISCompute.create_job
CyberGISCompute.CyberGISCompute.create_job_by_ui  CyberGISCompute.show_ui
CyberGISCompute.CyberGISCompute.enable_jupyter   CyberGISCompute.login
CyberGISCompute.CyberGISCompute.encrypt_token    HubToken.encoded
CyberGISCompute.CyberGISCompute.get_job_by_id    CyberGISCompute.get_job_by_id
CyberGISCompute.CyberGISCompute.get_jupyterhubHost  TokenPrompt.ask
CyberGISCompute.CyberGISCompute.get_latest_created_job  CyberGISCompute.get_latest_created_job
CyberGISCompute.CyberGISCompute.get_slurm_usage  CyberGISCompute.get_slurm_usage
CyberGISCompute.CyberGISCompute.get_user_jupyter_globus  CyberGISCompute.get_user_jupyter_globus
CyberGISCompute.CyberGISCompute.host_token_login  CyberGISCompute.login_with
CyberGISCompute.CyberGISCompute.is_login         CyberGISCompute.is_login
CyberGISCompute.CyberGISCompute.list_container   CyberGISCompute.list_container
CyberGISCompute.CyberGISCompute.list_git         CyberGISCompute.list_git
CyberGISCompute.CyberGISCompute.list_hpc         CyberGISCompute.list_hpc
CyberGISCompute.CyberGISCompute.list_info        CyberGISCompute.list_info
CyberGISCompute.CyberGISCompute.list_job         CyberGISCompute.list_job
CyberGISCompute.CyberGISCompute.list_jupyter_host  CyberGISCompute.list_jupyter_host
CyberGISCompute.CyberGISCompute.list_maintainer  CyberGISCompute.list_maintainer
CyberGISCompute.CyberGISCompute.login            CyberGISCompute.login
CyberGISCompute.CyberGISCompute.login_json       CyberGISCompute.login
CyberGISCompute.CyberGISCompute.login_manual     CyberGISCompute.login
CyberGISCompute.CyberGISCompute.login_token      CyberGISCompute.login_with
CyberGISCompute.CyberGISCompute.save_token       CyberGISCompute.save_token
CyberGISCompute.CyberGISCompute.set_username     CyberGISCompute.login
CyberGISCompute.CyberGISCompute.show_ui          CyberGISCompute.show_ui
Job.Job                                          Job
Job.Job.client                                   CyberGISCompute.request
Job.Job.maintainer                               Job.maintainer
Job.Job.isJupyter                                display
Job.Job.jupyterhubApiToken                       HubToken.encoded
Job.Job.id                                       Job.id
Job.Job.hpc                                      Job.hpc
Job.Job.basicEventTypes                          records.BASIC_EVENT_TYPES
Job.Job.download_result_folder_by_globus         Job.download_result_folder_by_globus
Job.Job.events                                   Job.events
Job.Job.logs                                     Job.logs
Job.Job.result_folder_content                    Job.result_folder_content
Job.Job.set                                      Job.set
Job.Job.status                                   Job.status
Job.Job.submit                                   Job.submit
MarkdownTable.MarkdownTable                      Table
MarkdownTable.MarkdownTable.render               markdown
UI.UI                                            notebook.UI
UI.UI.compute                                    notebook.UI.cybergis
UI.UI.style                                      notebook.widgets.WIDE
UI.UI.layout                                     notebook.widgets.WIDE
UI.UI.jobs                                       notebook.UI.templates
UI.UI.hpcs                                       notebook.UI.hpcs
UI.UI.defaultJobName                             notebook.UI.default_job
UI.UI.defaultRemoteResultFolder                  notebook.ResultsTab.folder
UI.UI.defaultDataFolder                          notebook.UI.default_data_folder
UI.UI.slurm_configs                              rules.SLURM_FIELDS
UI.UI.slurm_integer_configs                      SlurmRule.limits
UI.UI.slurm_integer_storage_unit_config          SlurmRule.setting
UI.UI.slurm_integer_time_unit_config             SlurmRule.setting
UI.UI.slurm_integer_none_unit_config             SlurmRule.setting
UI.UI.slurm_string_option_configs                SlurmRule.options
UI.UI.globus_filename                            notebook.JobForm.name
UI.UI.jupyter_globus                             CyberGISCompute.get_user_jupyter_globus
UI.UI.get_data                                   notebook.JobForm.plan
UI.UI.init                                       notebook.show_ui
UI.UI.makeNameSafe                               transfers.make_name_safe
UI.UI.onComputingResourceDropdownChange          notebook.JobForm.choose_hpc
UI.UI.onDownloadButtonClick                      notebook.ResultsTab.download
UI.UI.onFolderDownloadButtonClick                notebook.FoldersTab.download
UI.UI.onJobDropdownChange                        notebook.JobForm.choose_template
UI.UI.onJobEntryButtonClick                      notebook.UI.restore
UI.UI.onLoadMoreClick                            notebook.JobsTab.load_more
UI.UI.onNextPageButton                           notebook.FoldersTab.next_page
UI.UI.onPrevPageButton                           notebook.FoldersTab.previous_page
UI.UI.onRenameJobButton                          notebook.FoldersTab.rename
UI.UI.onSubmitButtonClick                        notebook.UI.submit
UI.UI.onSubmitNewButtonClick                     notebook.UI.submit_new
UI.UI.render                                     notebook.show_ui
UI.UI.renderAnnouncements                        notebook.JobForm.announcements
UI.UI.renderAutoDownload                         notebook.UI.follow
UI.UI.renderComponents                           notebook.UI.tabs
UI.UI.renderComputingResource                    notebook.JobForm.hpc
UI.UI.renderDescription                          notebook.JobForm.description
UI.UI.renderDownload                             notebook.ResultsTab.show
UI.UI.renderEmail                                notebook.JobForm.email
UI.UI.renderFolders                              notebook.FoldersTab.refresh
UI.UI.renderJobTemplate                          notebook.JobForm.template
UI.UI.renderLoadMore                             notebook.JobsTab.more
UI.UI.renderNaming                               notebook.JobForm.name
UI.UI.renderParam                                notebook.JobForm.param
UI.UI.renderRecentlySubmittedJobs                notebook.JobsTab.refresh
UI.UI.renderResultCancel                         notebook.StatusTab.cancel
UI.UI.renderResultEvents                         notebook.StatusTab.show_event
UI.UI.renderResultLogs                           notebook.StatusTab.show_log
UI.UI.renderResultStatus                         notebook.StatusTab.show
UI.UI.renderSlurm                                notebook.JobForm.slurm
UI.UI.renderSubmit                               notebook.JobForm.submit_button
UI.UI.renderSubmitNew                            notebook.JobForm.submit_new_button
UI.UI.renderUploadData                           notebook.JobForm.upload
UI.UI.rerender                                   notebook.JobForm.choose_template
UI.UI.secondsToTime                              rules.seconds_to_time
UI.UI.unitTimeToSecond                           rules.unit_time_to_seconds
Zip.Zip                                          Zip
Zip.Zip.in_memory_zip                            Zip.read
Zip.Zip.append                                   Zip.append
Zip.Zip.mkdir                                    Zip.mkdir
Zip.Zip.read                                     Zip.read
Zip.Zip.write                                    Zip.write
"""

#: By the SDK's name, its module first (`Job.Job.submit`).
COUNTERPARTS: Final[Mapping[str, str]] = MappingProxyType(
    {row.split()[0]: row.split()[1] for row in _ROWS.strip().splitlines()}
)

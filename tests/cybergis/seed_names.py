"""The public names of the CyberGIS-Compute SDK, as its reference lists them: classes, attributes and methods."""

from __future__ import annotations

CLASSES: dict[str, str] = {
    "Client.Client": "url port suffix request",
    "CyberGISCompute.CyberGISCompute": """
        client jupyterhubApiToken username isJupyter ui job recentDownloadPath jupyterhubHost
        create_job create_job_by_ui enable_jupyter encrypt_token get_job_by_id get_jupyterhubHost
        get_latest_created_job get_slurm_usage get_user_jupyter_globus host_token_login is_login
        list_container list_git list_hpc list_info list_job list_jupyter_host list_maintainer
        login login_json login_manual login_token save_token set_username show_ui
    """,
    "Job.Job": """
        client maintainer isJupyter jupyterhubApiToken id hpc basicEventTypes
        download_result_folder_by_globus events logs result_folder_content set status submit
    """,
    "MarkdownTable.MarkdownTable": "render",
    "UI.UI": """
        compute style layout jobs hpcs defaultJobName defaultRemoteResultFolder defaultDataFolder
        slurm_configs slurm_integer_configs slurm_integer_storage_unit_config slurm_integer_time_unit_config
        slurm_integer_none_unit_config slurm_string_option_configs globus_filename jupyter_globus
        get_data init makeNameSafe onComputingResourceDropdownChange onDownloadButtonClick
        onFolderDownloadButtonClick onJobDropdownChange onJobEntryButtonClick onLoadMoreClick onNextPageButton
        onPrevPageButton onRenameJobButton onSubmitButtonClick onSubmitNewButtonClick render renderAnnouncements
        renderAutoDownload renderComponents renderComputingResource renderDescription renderDownload renderEmail
        renderFolders renderJobTemplate renderLoadMore renderNaming renderParam renderRecentlySubmittedJobs
        renderResultCancel renderResultEvents renderResultLogs renderResultStatus renderSlurm renderSubmit
        renderSubmitNew renderUploadData rerender secondsToTime unitTimeToSecond
    """,
    "Zip.Zip": "in_memory_zip append mkdir read write",
}

NAMES = {
    *CLASSES,
    *(f"{owner}.{member}" for owner, members in CLASSES.items() for member in members.split()),
}

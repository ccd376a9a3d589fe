"""The CyberGIS-Compute gateway: jobs made of templates on HPCs, followed to their results."""

from acomps.cybergis.archive import Zip
from acomps.cybergis.display import Table, display, markdown
from acomps.cybergis.gateway import CyberGISCompute
from acomps.cybergis.job import Job
from acomps.cybergis.listings import (
    Announcement,
    Container,
    Hpc,
    Info,
    JupyterGlobus,
    JupyterHost,
    Maintainer,
    SlurmUsage,
    Template,
)
from acomps.cybergis.plan import GitFolder, GlobusFolder, JobPlan, LocalFolder, Slurm
from acomps.cybergis.records import Folder, JobEvent, JobLog, JobRecord, JobState
from acomps.cybergis.rules import ParamRule, SlurmRule
from acomps.cybergis.tokens import ConsoleTokenPrompt, HubToken, TokenPrompt
from acomps.cybergis.transfers import Folders, GlobusFailed, GlobusStatus, GlobusTransfer
from acomps.cybergis.watching import JobsProgress, Submission

__all__ = [
    "Announcement",
    "ConsoleTokenPrompt",
    "Container",
    "CyberGISCompute",
    "Folder",
    "Folders",
    "GitFolder",
    "GlobusFailed",
    "GlobusFolder",
    "GlobusStatus",
    "GlobusTransfer",
    "Hpc",
    "HubToken",
    "Info",
    "Job",
    "JobEvent",
    "JobLog",
    "JobPlan",
    "JobRecord",
    "JobState",
    "JobsProgress",
    "JupyterGlobus",
    "JupyterHost",
    "LocalFolder",
    "Maintainer",
    "ParamRule",
    "Slurm",
    "SlurmRule",
    "SlurmUsage",
    "Submission",
    "Table",
    "Template",
    "TokenPrompt",
    "Zip",
    "display",
    "markdown",
]

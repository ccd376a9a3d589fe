"""CyberGIS-Compute in a notebook: choose, submit, follow and download with widgets."""

from acomps.cybergis.notebook.folders import FoldersTab
from acomps.cybergis.notebook.form import JobForm
from acomps.cybergis.notebook.jobs import JobsTab
from acomps.cybergis.notebook.results import ResultsTab
from acomps.cybergis.notebook.status import StatusTab
from acomps.cybergis.notebook.ui import UI, show_ui

__all__ = ["UI", "FoldersTab", "JobForm", "JobsTab", "ResultsTab", "StatusTab", "show_ui"]

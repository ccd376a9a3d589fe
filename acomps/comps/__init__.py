"""The COMPS gateway: a session, one resource per kind of entity, and bulk calls over them."""

from acomps.comps.cloning import Rerun
from acomps.comps.connect import connect
from acomps.comps.harvesting import Harvested, HarvestFailed
from acomps.comps.keys import SaveKey
from acomps.comps.progress import Counts, Progress, State
from acomps.comps.report import SavedEntity, SaveFailed, SaveFailure, SaveReport, report_of
from acomps.comps.session import Session
from acomps.comps.uploads import UploadOutcome

__all__ = [
    "Counts",
    "HarvestFailed",
    "Harvested",
    "Progress",
    "Rerun",
    "SaveFailed",
    "SaveFailure",
    "SaveKey",
    "SaveReport",
    "SavedEntity",
    "Session",
    "State",
    "UploadOutcome",
    "connect",
    "report_of",
]

"""The COMPS gateway: a session, one resource per kind of entity, and bulk calls over them."""

from acomps.comps.connect import connect
from acomps.comps.report import SavedEntity, SaveFailed, SaveFailure, SaveReport, report_of
from acomps.comps.session import Session
from acomps.comps.uploads import UploadOutcome

__all__ = ["SaveFailed", "SaveFailure", "SaveReport", "SavedEntity", "Session", "UploadOutcome", "connect", "report_of"]

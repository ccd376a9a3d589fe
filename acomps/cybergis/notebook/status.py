"""The second tab: the job that was submitted, its events and logs as they come, and a way to cancel it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from acomps.cybergis.display import display
from acomps.cybergis.notebook import widgets
from acomps.cybergis.records import JobState

if TYPE_CHECKING:
    from collections.abc import Callable

    from acomps.cybergis.records import JobEvent, JobLog, JobRecord

__all__ = ["StatusTab"]

_HEADINGS = {
    JobState.CREATED: "✏️ created",
    JobState.QUEUED: "⏳ waiting in the queue",
    JobState.REGISTERED: "⏳ being prepared",
    JobState.SUBMITTED: "⏳ handed to Slurm: waiting there or running",
    JobState.ENDED: "✅ ended",
    JobState.FAILED: "❌ failed",
    JobState.CANCELED: "⏹ cancelled",
}


class StatusTab:
    """What is known of the latest job."""

    cancel: widgets.Button

    def __init__(self, cancel: Callable[[], None]) -> None:
        self.heading = widgets.text(widgets.note("No job is submitted yet"))
        self._job, self.events, self.logs = widgets.text(), widgets.text(), widgets.text()
        self.cancel = widgets.button("Cancel Job", cancel)
        self.cancel.disabled = True
        self.message = widgets.text()
        folds = [widgets.accordion({"Events": self.events}), widgets.accordion({"Logs": self.logs})]
        self.box = widgets.column([self.heading, self._job, self.cancel, self.message, *folds])
        self._event_list: list[JobEvent] = []
        self._log_list: list[JobLog] = []

    def clear(self) -> None:
        """Forget the job before."""
        self._event_list, self._log_list = [], []
        self.events.value = self.logs.value = self.message.value = ""

    def show(self, record: JobRecord) -> None:
        """Draw a job as it is now, with what is new of its events and logs."""
        outcome = "" if record.exit_code is None else f", exit code {record.exit_code}"
        if record.succeeded is False and record.state is JobState.ENDED:
            outcome = f", but its program failed{outcome}"
        self.heading.value = f"<h3>{widgets.note(f'Job {record.id}: {_HEADINGS[record.state]}{outcome}')}</h3>"
        self._job.value = display(record).html()
        self.cancel.disabled = record.final
        known = {event.id for event in self._event_list}
        for event in record.events_in_order:
            if event.id not in known:
                self.show_event(event)
        seen = {log.id for log in self._log_list}
        for log in record.logs:
            if log.id not in seen:
                self.show_log(log)

    def show_event(self, event: JobEvent) -> None:
        """Add an event."""
        self._event_list.append(event)
        self.events.value = display(self._event_list).html()

    def show_log(self, log: JobLog) -> None:
        """Add a log."""
        self._log_list.append(log)
        self.logs.value = display(self._log_list).html()

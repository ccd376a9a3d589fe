"""The first tab: what to run, where, with which settings and parameters."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Final

from acomps.cybergis.notebook import widgets
from acomps.cybergis.notebook.chooser import FolderChooser
from acomps.cybergis.plan import JobPlan
from acomps.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from acomps.cybergis.listings import Announcement, Hpc, Template
    from acomps.cybergis.plan import FolderReference
    from acomps.cybergis.records import JobRecord
    from acomps.cybergis.rules import Limits, ParamRule, SlurmRule

__all__ = ["JobForm"]

_SLURM: Final[Mapping[str, object]] = {"time": "01:00:00", "num_of_task": 1, "cpu_per_task": 1}
_MAILS: Final = ("FAIL", "END", "BEGIN")

_Field = widgets.Number | widgets.Choice | widgets.Entry


class JobForm:
    """The form; `plan` is what is chosen in it."""

    template: widgets.Choice
    hpc: widgets.Choice
    slurm: dict[str, _Field]
    param: dict[str, _Field]
    upload: FolderChooser
    email: widgets.Entry
    name: widgets.Entry
    description: widgets.Text
    announcements: widgets.Text
    submit_button: widgets.Button
    submit_new_button: widgets.Button

    def __init__(
        self,
        templates: Mapping[str, Template],
        hpcs: Mapping[str, Hpc],
        *,
        user: str,
        announcements: Sequence[Announcement],
        default_job: str,
        input_params: Mapping[str, object],
        data_folder: Path,
        submit: Callable[[], None],
        submit_new: Callable[[], None],
    ) -> None:
        if not templates or not hpcs:
            raise UsageError("the server offers no templates or no HPCs, so there is nothing to choose from")
        self._templates, self._hpcs = templates, hpcs
        self._wanted: Mapping[str, object] = input_params
        self.slurm, self.param = {}, {}
        self.announcements = widgets.text(_announced(announcements))
        self.description = widgets.text()
        self.template = widgets.choice("Job template:", sorted(templates), default_job, self.choose_template)
        self.hpc = widgets.choice("Computing resource:", sorted(hpcs), None, self.choose_hpc)
        self.upload = FolderChooser(data_folder)
        self.send_email = widgets.switch("Receive an e-mail on job status")
        self.email = widgets.entry("E-mail:")
        self.give_name = widgets.switch("Name this job")
        self.name = widgets.entry("Name:")
        self.submit_button = widgets.button("Submit Job", submit, main=True)
        self.submit_new_button = widgets.button("Submit New Job", submit_new)
        self.message = widgets.text()
        self._middle = widgets.column()
        self._end = widgets.column()
        welcome = widgets.text(f"<h3>Welcome to CyberGIS-Compute</h3>{widgets.note(f'Logged in as {user}')}")
        self.box = widgets.column(
            [welcome, self.announcements, self.template, self.description, self._middle, self._end, self.message]
        )
        self.choose_template()
        self.editable()

    @property
    def chosen(self) -> Template:
        """The template that is chosen."""
        return self._templates[self.template.value or ""]

    def choose_template(self) -> None:
        """Draw everything that belongs to the chosen template."""
        template = self.chosen
        offered = [name for name in template.supported_hpc if name in self._hpcs] or sorted(self._hpcs)
        self.hpc.options = offered
        self.hpc.value = template.default_hpc if template.default_hpc in offered else offered[0]
        self.slurm = {rule.name: _slurm_field(rule) for rule in template.slurm_rules}
        self.param = {rule.name: _param_field(rule, self._wanted.get(rule.name)) for rule in template.param_rules}
        folds: dict[str, widgets.Widget] = {"Computing Resource": self.hpc}
        if self.slurm:
            folds["Slurm Computing Configurations"] = widgets.column(list(self.slurm.values()))
        if self.param:
            folds["Input Parameters"] = widgets.column(list(self.param.values()))
        if template.require_upload_data:
            folds["Upload Data"] = self.upload.box
        self._middle.children = [
            widgets.accordion(folds),
            widgets.row([self.send_email, self.email]),
            widgets.row([self.give_name, self.name]),
        ]
        self.choose_hpc()

    def choose_hpc(self) -> None:
        """Draw what is said of the template and the chosen HPC."""
        template, hpc = self.chosen, self._hpcs[self.hpc.value or ""]
        lines = {
            "Job name": template.name,
            "Job description": template.description,
            "HPC name": hpc.name,
            "HPC description": hpc.description,
            "Estimated runtime": template.estimated_runtime,
        }
        self.description.value = "<br>".join(f"<b>{key}:</b> {html.escape(value)}" for key, value in lines.items())

    def plan(self, data_folder: FolderReference | None = None) -> JobPlan:
        """The job that is chosen. Raises UsageError for what is not complete."""
        template = self.chosen
        slurm: dict[str, object] = dict(_SLURM)
        for rule in template.slurm_rules:
            setting = rule.setting(self.slurm[rule.name].value or 0)
            if setting is not None:
                slurm[rule.name] = setting
        if self.send_email.value:
            if "@" not in self.email.value:
                raise UsageError("give an e-mail address, or do not ask for e-mails")
            slurm |= {"mail_user": [self.email.value.strip()], "mail_type": list(_MAILS)}
        return JobPlan(
            executable_folder=template.id,
            data_folder=data_folder,
            hpc=self.hpc.value,
            param={name: field.value for name, field in self.param.items()},
            slurm=slurm,
        )

    @property
    def wanted_name(self) -> str:
        """The name that the job's folders shall get; empty for none."""
        return self.name.value.strip() if self.give_name.value else ""

    def restore(self, record: JobRecord) -> None:
        """Choose again what an earlier job had, as far as it can still be chosen."""
        if record.template not in self._templates:
            raise UsageError(f"job {record.id} ran the template {record.template}, which is not offered any more")
        self._wanted = {**self._wanted, **record.param}
        self.template.value = record.template
        self.choose_template()
        if record.hpc in self.hpc.options:
            self.hpc.value = record.hpc

    def editable(self) -> None:
        """Let the user choose and submit."""
        self.message.value = ""
        self.submit_button.disabled = False
        self._end.children = [self.submit_button]

    def submitting(self) -> None:
        """Let nobody submit twice."""
        self.submit_button.disabled = True
        self.message.value = widgets.note("Submitting ...")

    def submitted(self, job_id: str) -> None:
        """Offer another one."""
        self._end.children = [self.submit_new_button]
        self.message.value = widgets.note(f"Job {job_id} is submitted: see the tab Your Job Status")

    def refuse(self, message: str) -> None:
        """Say why it was not submitted, and let it be corrected."""
        self.submit_button.disabled = False
        self.message.value = widgets.note(message, bad=True)


def _announced(announcements: Sequence[Announcement]) -> str:
    lines = [f"{item.time_stamp} {item.poster}: {item.message}" for item in announcements]
    return "<br>".join(f"📢 {html.escape(line)}" for line in lines)


def _slurm_field(rule: SlurmRule) -> _Field:
    if rule.limits is None:
        return widgets.choice(f"{rule.name}:", rule.options, rule.default)
    unit = f" ({rule.limits.unit})" if rule.limits.unit else ""
    return _slider(f"{rule.name}{unit}:", rule.limits, None)


def _param_field(rule: ParamRule, wanted: object) -> _Field:
    label = f"{rule.name}:"
    if rule.limits is not None:
        return _slider(label, rule.limits, wanted)
    if rule.kind == "string_option":
        return widgets.choice(label, rule.options, str(wanted) if wanted in rule.options else rule.default)
    return widgets.entry(label, rule.default if wanted is None else str(wanted))


def _slider(label: str, limits: Limits, wanted: object) -> widgets.Number:
    value = limits.within(wanted) if isinstance(wanted, int) else limits.default
    return widgets.number(label, value, limits.lowest, limits.highest, limits.step)

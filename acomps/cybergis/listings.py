"""What a server offers: HPCs, templates, containers, maintainers, hubs, announcements, usage; values without I/O."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Final

from acomps.cybergis.reading import NOTHING, Fields, JsonObject
from acomps.cybergis.records import JobRecord
from acomps.cybergis.rules import ParamRule, SlurmRule

__all__ = [
    "Announcement",
    "Container",
    "Hpc",
    "Info",
    "JupyterGlobus",
    "JupyterHost",
    "Maintainer",
    "SlurmUsage",
    "Template",
]

_DURATION: Final = re.compile(r"\s*(\d+) days?, (\d+) hours?, (\d+) minutes?, (\d+) seconds?\s*")
_SIZE: Final = re.compile(r"\s*([0-9.]+)\s*([kmgtpe])b?\s*", re.IGNORECASE)
_MINUTE_S: Final = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Hpc:
    """A computing resource. What else its configuration tells is not kept, for some servers leak secrets there."""

    name: str
    ip: str = ""
    port: int | None = None
    is_community_account: bool = False
    description: str = ""
    job_pool_capacity: int | None = None

    @classmethod
    def read(cls, name: str, value: object) -> Hpc:
        """The HPC in a decoded JSON object."""
        fields = Fields(value, f"read the HPC {name}")
        return cls(
            name=name,
            ip=fields.text("ip"),
            port=fields.whole("port"),
            is_community_account=fields.flag("is_community_account"),
            description=fields.text("description"),
            job_pool_capacity=fields.whole("job_pool_capacity"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A job template: a git repository with a manifest. Its rules guide people; servers need not enforce them."""

    id: str
    name: str = ""
    description: str = ""
    container: str = ""
    repository: str = ""
    commit: str | None = None
    estimated_runtime: str = ""
    supported_hpc: tuple[str, ...] = ()
    default_hpc: str = ""
    require_upload_data: bool = False
    slurm_rules: tuple[SlurmRule, ...] = ()
    param_rules: tuple[ParamRule, ...] = ()
    manifest: JsonObject = field(default_factory=lambda: NOTHING, repr=False)

    @property
    def link(self) -> str:
        """How the SDK writes it."""
        return f"git://{self.id}"

    @classmethod
    def read(cls, template_id: str, value: object) -> Template:
        """The template in a decoded JSON object."""
        fields = Fields(value, f"read the template {template_id}")
        supported = fields.texts("supported_hpc")
        return cls(
            id=template_id,
            name=fields.text("name") or template_id,
            description=fields.text("description"),
            container=fields.text("container"),
            repository=fields.text("repository"),
            commit=fields.optional("commit"),
            estimated_runtime=fields.text("estimated_runtime"),
            supported_hpc=supported,
            default_hpc=fields.text("default_hpc") or (supported[0] if supported else ""),
            require_upload_data=fields.flag("require_upload_data"),
            slurm_rules=SlurmRule.read_all(fields.inner("slurm_input_rules")),
            param_rules=ParamRule.read_all(fields.inner("param_rules")),
            manifest=fields.values,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Container:
    """A container image that templates run in."""

    name: str
    dockerfile: str = ""
    dockerhub: str = ""
    hpcs: tuple[str, ...] = ()

    @classmethod
    def read(cls, name: str, value: object) -> Container:
        """The container in a decoded JSON object."""
        fields = Fields(value, f"read the container {name}")
        return cls(
            name=name,
            dockerfile=fields.text("dockerfile"),
            dockerhub=fields.text("dockerhub"),
            hpcs=tuple(fields.inner("hpc_path")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Maintainer:
    """A way of running jobs, and the HPCs that it runs them on."""

    name: str
    hpc: tuple[str, ...] = ()
    default_hpc: str = ""
    job_pool_capacity: int | None = None
    from_user: bool | None = None
    must_have: tuple[str, ...] = ()

    @classmethod
    def read(cls, name: str, value: object) -> Maintainer:
        """The maintainer in a decoded JSON object."""
        fields = Fields(value, f"read the maintainer {name}")
        executable = Fields(fields.inner("executable_folder"), f"read the maintainer {name}")
        asked = executable.values.get("from_user")
        return cls(
            name=name,
            hpc=fields.texts("hpc"),
            default_hpc=fields.text("default_hpc"),
            job_pool_capacity=fields.whole("job_pool_capacity"),
            from_user=asked if isinstance(asked, bool) else None,
            must_have=Fields(executable.inner("file_config"), f"read the maintainer {name}").texts("must_have"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JupyterHost:
    """A JupyterHub whose users may log in."""

    host: str
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Announcement:
    """What the operators of the server have to say."""

    message: str
    poster: str = ""
    time_stamp: str = ""

    @classmethod
    def read(cls, value: object) -> Announcement:
        """The announcement in a decoded JSON object."""
        fields = Fields(value, "read an announcement")
        return cls(message=fields.text("message"), poster=fields.text("poster"), time_stamp=fields.text("time_stamp"))


@dataclass(frozen=True, slots=True, kw_only=True)
class JupyterGlobus:
    """The user's own folder at the hub, as Globus reaches it."""

    endpoint: str
    root_path: str
    container_home_path: str = ""

    @classmethod
    def read(cls, value: object) -> JupyterGlobus:
        """The place in a decoded JSON object."""
        fields = Fields(value, "read the hub's Globus place")
        return cls(
            endpoint=fields.required("endpoint"),
            root_path=fields.text("root_path"),
            container_home_path=fields.text("container_home_path"),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SlurmUsage:
    """What the user's jobs have used together; None is a figure that the server wrote in a way that is not known."""

    nodes: int
    cpus: int
    cpu_time: timedelta | None
    memory_bytes: int | None
    memory_usage_bytes: int | None
    walltime: timedelta | None

    @classmethod
    def read(cls, value: object) -> SlurmUsage:
        """The usage in a decoded JSON object."""
        fields = Fields(value, "read the usage")
        return cls(
            nodes=fields.whole("nodes") or 0,
            cpus=fields.whole("cpus") or 0,
            cpu_time=duration(fields.text("cpuTime")),
            memory_bytes=size(fields.text("memory")),
            memory_usage_bytes=size(fields.text("memoryUsage")),
            walltime=duration(fields.text("walltime")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Info:
    """What `list_info` gathers."""

    templates: tuple[Template, ...]
    hpcs: tuple[Hpc, ...]
    jobs: tuple[JobRecord, ...] = ()
    maintainers: tuple[Maintainer, ...] = ()
    containers: tuple[Container, ...] = ()


def duration(text: str) -> timedelta | None:
    """The time behind the server's words for it."""
    match = _DURATION.fullmatch(text)
    if match is None:
        return None
    days, hours, minutes, seconds = map(int, match.groups())
    if seconds >= _MINUTE_S:  # the original writes the minutes a second time into the seconds
        minutes = 0
    return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)


def size(text: str) -> int | None:
    """The bytes behind a text such as 61.45mb, in powers of 1024."""
    match = _SIZE.fullmatch(text)
    if match is None:
        return None
    try:
        power: int = 1 + "kmgtpe".index(match[2].lower())
        return int(float(match[1]) * float(1024**power))
    except ValueError:
        return None

"""A real Slurm of one node on this machine, with daemons, keys and files of its own."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from support.local_service import alive, until

_NEEDED = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "sacct", "scontrol", "sinfo")
_SBIN = "/usr/sbin:/sbin"

_CONFIGURATION = """\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller_port}
SlurmdPort={node_port}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge/socket
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
# One node with more processors than there are, so that many small jobs run at once.
SlurmdParameters=config_overrides
ReturnToService=2
MpiDefault=none
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
MaxArraySize=65
FirstJobId=1
KillWait=2
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
JobCompType=jobcomp/none
NodeName={host} NodeAddr=127.0.0.1 CPUs=24 RealMemory=500 State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES State=UP
PartitionName=short Nodes=ALL State=UP MaxTime=1
"""


def why_not() -> str | None:
    """Why no Slurm can be started here, or None."""
    missing = [name for name in _NEEDED if _program(name) is None]
    if missing:
        return f"Slurm is not installed ({', '.join(missing)}): install the packages slurm-wlm and munge"
    if os.geteuid() != 0:
        return "Slurm's daemons can be started by root only"
    return None


def _program(name: str) -> str | None:
    return shutil.which(name, path=f"{os.environ.get('PATH', '')}:{_SBIN}")


def _start(name: str, *arguments: str) -> None:
    program = _program(name)
    assert program is not None
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{name}: {done.stdout} {done.stderr}"


def _pid(file: Path) -> int | None:
    with contextlib.suppress(FileNotFoundError, ValueError):
        return int(file.read_text())
    return None


def _end(file: Path, number: signal.Signals) -> None:
    pid = _pid(file)
    if pid is not None and alive(pid):
        os.kill(pid, number)
        until(lambda: not alive(pid), f"the daemon of {file.name} ends")
    file.unlink(missing_ok=True)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True)
class Slurm:
    """The running cluster; its tools find it through SLURM_CONF."""

    folder: Path

    def stop_controller(self) -> None:
        """End the controller in good order, so that it keeps its records: Slurm's tools fail from now on."""
        _end(self.folder / "slurmctld.pid", signal.SIGTERM)

    def start_controller(self, *, forgetful: bool = False) -> None:
        """Start the controller again; a forgetful one knows nothing of earlier jobs."""
        if forgetful:
            # The node would not run anything under a number that it has seen before.
            configuration = self.folder / "slurm.conf"
            before, number, after = re.split(r"(?<=FirstJobId=)(\d+)", configuration.read_text())
            configuration.write_text(f"{before}{int(number) + 10_000}{after}")
        _start("slurmctld", *(["-c"] if forgetful else []))
        until(lambda: self.tool("sinfo", "-h", "-o", "%T") in {"idle", "mixed", "allocated"}, "the node is there")

    def node(self, state: str) -> None:
        """Declare the one node to be DOWN, or to RESUME."""
        name = socket.gethostname().partition(".")[0]
        self.tool("scontrol", "update", f"NodeName={name}", f"State={state}", "Reason=test")

    def tool(self, *command: str) -> str:
        """What one of the tools says."""
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout.strip()

    def numbers(self) -> set[int]:
        """The numbers of all arrays that Slurm knows."""
        return {int(number) for number in self.tool("squeue", "-h", "-t", "all", "-o", "%F").split()}

    def pids_of_jobs(self) -> list[int]:
        """The processes of all jobs and of Slurm's own shepherds."""
        found: list[int] = []
        for process in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if process.name.isdecimal():
                    command = (process / "cmdline").read_bytes()
                    shepherd = command.startswith(b"slurmstepd")
                    variables = (process / "environ").read_bytes()
                    if shepherd or (
                        f"SLURM_CONF={self.folder}".encode() in variables and b"SLURM_TASK_PID=" in variables
                    ):
                        found.append(int(process.name))
        return found

    def said(self) -> str:
        """The end of the logs."""
        logs = [self.folder / name for name in ("munge/log", "slurmctld.log", "slurmd.log")]
        return "\n".join(log.read_text()[-2_000:] for log in logs if log.exists())


@contextlib.contextmanager
def cluster() -> Generator[Slurm]:
    """A cluster; SLURM_CONF names its configuration meanwhile."""
    folder = Path(tempfile.mkdtemp(prefix="acomps-slurm-"))
    for name, mode in (("", 0o711), ("munge", 0o711), ("state", 0o700), ("spool", 0o755)):
        (folder / name).mkdir(exist_ok=True)
        (folder / name).chmod(mode)
    munge = folder / "munge"
    key = munge / "key"
    key.write_bytes(os.urandom(1024))
    key.chmod(0o400)
    configuration = folder / "slurm.conf"
    configuration.write_text(
        _CONFIGURATION.format(
            host=socket.gethostname().partition(".")[0],
            folder=folder,
            controller_port=_free_port(),
            node_port=_free_port(),
        )
    )
    before = os.environ.get("SLURM_CONF")
    os.environ["SLURM_CONF"] = str(configuration)
    slurm = Slurm(folder)
    try:
        files = {"key-file": "key", "socket": "socket", "pid-file": "pid", "log-file": "log", "seed-file": "seed"}
        _start("munged", *(f"--{option}={munge / name}" for option, name in files.items()))
        _start("slurmctld")
        _start("slurmd")
        try:
            until(lambda: slurm.tool("sinfo", "-h", "-o", "%T", "-p", "all") == "idle", "the node becomes idle")
        except AssertionError as exc:
            raise AssertionError(slurm.said()) from exc
        yield slurm
    finally:
        slurm.tool("scancel", "-u", "root", "--signal=KILL", "--full")
        for name in ("slurmctld.pid", "slurmd.pid", "munge/pid"):
            _end(folder / name, signal.SIGKILL)
        if before is None:
            del os.environ["SLURM_CONF"]
        else:
            os.environ["SLURM_CONF"] = before
        shutil.rmtree(folder, ignore_errors=True)

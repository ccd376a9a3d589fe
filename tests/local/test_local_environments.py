"""The configuration file: environments, groups, users and limits, and what is said about mistakes in it."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path

import httpx
import pytest
import trustme
from support.local_service import Client, command, refused, running

from acomps.local import CannotServe, configured
from acomps.local.accounts.passwords import hashed
from acomps.local.environments import Limits
from acomps.local.executors.options import ProcessOptions, SlurmOptions

WHOLE = """
groups = ["malaria", "measles"]

[service]
port = 8080
cores = 3
token_lifetime_s = 600

[[environments]]
name = "Local"
group = "malaria"
macros = { INPUT = "/shared/input", PUBLIC = "everybody", DOCKER_MOUNTS = "A;b;c;d" }
node_groups = ["small", "Large"]

[environments.limits]
max_cores = 2
max_simulations = 10
allow_host_workers = false
images = ["docker.io/library/python:*"]

[[environments]]
name = "Cluster"
group = "measles"
root = "/scratch/acomps"
executor = "slurm"

[environments.slurm]
partitions = { ABCD = "short", big = "long" }
default_partition = "short"
simulations_per_task = 20
sbatch_arguments = ["--account=lab"]
poll_interval_s = 2
job_folder = "/scratch/jobs"

[[users]]
name = "ann"
email = "ann@example.org"
groups = ["malaria"]
password_hash = "HASH"
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "service.toml"
    path.write_text(text)
    return path


def test_one_file_says_everything(tmp_path: Path) -> None:
    file = written(tmp_path, WHOLE.replace("HASH", hashed("a password")))
    settings = configured(file, tmp_path / "data", cores=5)
    assert (settings.port, settings.cores, settings.token_lifetime_s) == (8080, 5, 600)
    local, cluster = settings.environments
    assert local.executor == ProcessOptions()
    assert local.macros["INPUT"] == "/shared/input"
    assert local.macros["PUBLIC"] == str(tmp_path / "data" / "environments" / "Local" / "everybody")
    assert local.macros["DOCKER_MOUNTS"] == "A;b;c;d"
    assert local.limits == Limits(
        max_cores=2, max_simulations=10, allow_host_workers=False, images=("docker.io/library/python:*",)
    )
    assert local.limits.allows_image("docker.io/library/python:3.12")
    assert not local.limits.allows_image("docker.io/library/perl:5")
    assert cluster.executor == SlurmOptions(
        partitions={"abcd": "short", "big": "long"},
        default_partition="short",
        simulations_per_task=20,
        sbatch_arguments=("--account=lab",),
        poll_interval_s=2.0,
        job_folder=Path("/scratch/jobs"),
    )
    assert cluster.boundary == Path("/scratch/acomps")
    assert cluster.node_groups == ("abcd", "big")
    assert [(user.name, user.groups, user.fixed) for user in settings.users] == [("ann", ("malaria",), True)]


def test_the_file_of_the_data_folder_is_read_when_no_other_is_named(tmp_path: Path) -> None:
    assert configured(None, tmp_path).environments == ()
    written(tmp_path, '[[environments]]\nname = "Here"\ngroup = "g"\n')
    assert [one.name for one in configured(None, tmp_path).environments] == ["Here"]
    other = tmp_path / "other.toml"
    other.write_text('[service]\ndata_dir = "elsewhere"\n')
    assert configured(other).data_dir == tmp_path / "elsewhere"


@pytest.mark.parametrize(
    ("text", "fragments"),
    [
        ("environments = ", ["is not TOML", "Invalid value"]),
        ("\udcff", ["not UTF-8"]),
        ("[servise]", ["servise", "did you mean service?"]),
        ("[service]\nport = '80'", ["service.port", "whole number", "'80'"]),
        ("[service]\nport = 70000", ["service.port", "0 to 65535"]),
        ("[service]\nhosts = 'x'", ["service.hosts", "did you mean host?"]),
        ("[service]\ntoken_lifetime_s = 0", ["service.token_lifetime_s", "above 0"]),
        ("[service]\ntls_key = 'x'", ["service.tls_certificate", "missing"]),
        ("service = 3", ["service", "[service]"]),
        ("environments = [3]", ["environments", "[[environments]]"]),
        ("[[environments]]\ngroup = 'g'", ["environments (number 1).name", "missing", 'name = "..."']),
        ("[[environments]]\nname = 'A-B'\ngroup = 'g'", ["environments (A-B).name", "hyphen"]),
        ("[[environments]]\nname = 'A'\ngroup = 'g'\n[[environments]]\nname='a'\ngroup='g'", ["two environments"]),
        ("[[environments]]\nname = 'A'\ngroup = 'g'\nroot = 'relative'", ["environments (A).root", "whole path"]),
        ("[[environments]]\nname = 'A'\ngroup = 'g'\nexecutor = 'pbs'", ["executor", '"process" or "slurm"']),
        (
            "[[environments]]\nname = 'A'\ngroup = 'g'\n[environments.slurm]",
            ["environments (A).slurm", "drop the table"],
        ),
        ("[[environments]]\nname = 'A'\ngroup = 'g'\n[environments.limits]\nmax_cores = 0", ["limits.max_cores"]),
        ("[[environments]]\nname = 'A'\ngroup = 'g'\n[environments.limits]\nmax_core = 1", ["did you mean max_cores?"]),
        ("[[environments]]\nname = 'A'\ngroup = 'g'\nmacros = {USER = '/home'}", ["macros.USER", "root"]),
        ("[[environments]]\nname = 'A'\ngroup = 'g'\nmacros = {'A B' = 'x'}", ["macros.A B", "letters"]),
        ("groups = ['h']\n[[environments]]\nname = 'A'\ngroup = 'g'", ["groups", "A is in group 'g'"]),
        (
            "[[users]]\nname = 'ann'\ngroups = ['g']\npassword_hash = 'x'",
            ["users (ann).password_hash", "serve-user hash"],
        ),
        ("[[users]]\nname = 'ann'\ngroups = []\npassword_hash = 'x'", ["users (ann).groups", "at least one"]),
        ("[[users]]\nname = 'ann'\ngroups = 'g'\npassword_hash = 'x'", ["users (ann).groups", "list of texts"]),
    ],
)
def test_a_mistake_is_one_sentence_with_file_key_and_remedy(tmp_path: Path, text: str, fragments: list[str]) -> None:
    path = tmp_path / "service.toml"
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(CannotServe) as caught:
        configured(path, tmp_path / "data")
    for fragment in (str(path), *fragments):
        assert fragment in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_service_says_what_is_wrong_and_does_not_start(tmp_path: Path) -> None:
    done = subprocess.run(
        command(tmp_path / "data", "--config", str(tmp_path / "none.toml")), capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert "none.toml: there is no such file: check the path after --config" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a service whose environments have limits."""
    data = tmp_path_factory.mktemp("limited") / "data"
    data.mkdir()
    written(
        data,
        '[[environments]]\nname = "Local"\ngroup = "g"\nnode_groups = ["small", "large"]\n'
        f'macros = {{ INPUT = "{data}/inputs" }}\n[environments.limits]\nmax_cores = 2\nmax_simulations = 1\n'
        '[[environments]]\nname = "Free"\ngroup = "g"\n',
    )
    return data


def test_limits_are_checked_on_commission_and_macros_are_folders(limited: Path) -> None:
    with running(limited, "--cores", "4") as service, Client(service) as client:
        document = client.http.get("/api/Environments/local").json()["Environments"][0]
        assert document["NodeGroups"] == ["small", "large"]
        assert document["Macros"]["INPUT"] == f"{limited}/inputs"
        too_many = client.simulations(client.experiment("/bin/true", MinCores=3))[0]
        refused(client.ask("Simulations", too_many, "CommissionRequested"), 400, "MinCores is 3", "at most 2 cores")
        elsewhere = client.simulations(client.experiment("/bin/true", NodeGroupName="huge"))[0]
        refused(client.ask("Simulations", elsewhere, "CommissionRequested"), 400, "'huge'", "small, large")
        assert client.state(too_many) == client.state(elsewhere) == "Created"
        free = client.experiment("/bin/true", EnvironmentName="Free", MinCores=3, NodeGroupName="huge")
        assert client.run(client.simulations(free)[0]) == ["Succeeded"]
        good = client.experiment("/bin/echo", "$COMPS_PATH(INPUT)/x", MinCores=2, NodeGroupName="LARGE")
        simulation = client.simulations(good)[0]
        assert client.run(simulation) == ["Succeeded"]
        assert (client.workdir(simulation) / "stdout.txt").read_text() == f"{limited}/inputs/x\n"


def test_an_environment_runs_no_more_simulations_at_once_than_its_limit(limited: Path) -> None:
    # Each makes a folder that only one can make at a time.
    script = "mkdir ../../../../lock && sleep 0.2 && rmdir ../../../../lock"
    with running(limited, "--cores", "4") as service, Client(service) as client:
        experiment = client.experiment("/bin/sh", f"-c '{script}'", WorkingDirectoryRoot="$COMPS_PATH(HOME)/one")
        simulations = client.simulations(experiment, 5)
        client.commission("Experiments", experiment)
        client.wait(simulations, "Succeeded", "Failed")
        assert [client.state(simulation) for simulation in simulations] == ["Succeeded"] * 5


def test_a_service_with_tls_speaks_https(tmp_path: Path) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    written(tmp_path, f'[service]\ntls_certificate = "{tmp_path}/both.pem"\ntls_key = "{tmp_path}/both.pem"\n')
    trusted = ssl.create_default_context()
    trusted.load_verify_locations(cadata=authority.cert_pem.bytes().decode())
    with running(tmp_path / "data", "--config", str(tmp_path / "service.toml")) as service:
        assert service.url.startswith("https://")
        with httpx.Client(base_url=service.url, verify=trusted) as http:
            refused(http.get("/api/Suites"), 401)

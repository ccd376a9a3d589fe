"""The house stands: who imports whom, complete names, and an import that costs nothing."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import acomps

HOUSE = Path(acomps.__file__).parent

FLOORS = {
    "errors": 1,
    "settings": 1,
    "events": 1,
    "query": 1,
    "collector": 1,
    "streams": 1,
    "threads": 1,
    "entities": 1,
    "wire": 2,
    "transport": 2,
    "transfer": 3,
    "comps": 4,
    "cybergis": 4,
    "sweep": 5,
    "results": 5,
    "campaign": 5,
    "cli": 6,
    "ui": 6,
    "compat": 6,
}
#: The server is no part of the client: it shares the records, the spelling tables, the form of times, and threads.
LOCAL_MAY_IMPORT = {"acomps.entities", "acomps.threads", "acomps.wire.spelling", "acomps.wire.dates", "acomps.local"}

MODULES = sorted(HOUSE.rglob("*.py"))


def name_of(path: Path) -> str:
    return ".".join(path.relative_to(HOUSE.parent).with_suffix("").parts).removesuffix(".__init__")


def imported_by(path: Path) -> set[str]:
    """The names of the project's modules that a module imports, wherever in it the import stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: a relative import"
            found.add(node.module or "")
    return {name for name in found if name == "acomps" or name.startswith("acomps.")}


def room_of(module: str) -> str:
    return module.split(".")[1] if "." in module else ""


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_imports_only_from_its_own_room_or_from_floors_below(path: Path) -> None:
    module = name_of(path)
    room = room_of(module)
    if room in {"", "local"}:
        return
    for imported in imported_by(path):
        other = room_of(imported)
        if other == "local":
            assert FLOORS[room] == 6, f"{module} imports {imported}: only people's programs may start the service"
            continue
        if not other:
            assert FLOORS[room] == 6, f"{module} imports the face of the house, which is above it"
            continue
        assert other == room or FLOORS[other] < FLOORS[room] or FLOORS[other] == FLOORS[room] == 1, (
            f"{module} (floor {FLOORS[room]}) imports {imported} (floor {FLOORS[other]})"
        )


@pytest.mark.parametrize("path", [path for path in MODULES if room_of(name_of(path)) == "local"], ids=name_of)
def test_the_local_service_knows_only_the_records_and_the_spelling(path: Path) -> None:
    for imported in imported_by(path):
        assert any(imported == allowed or imported.startswith(f"{allowed}.") for allowed in LOCAL_MAY_IMPORT), imported


@pytest.mark.parametrize("path", MODULES, ids=name_of)
def test_a_module_has_one_subject_named_in_its_first_line_and_stays_below_400_lines(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert ast.get_docstring(ast.parse(text)), "the first line says what the module is about"
    assert text.count("\n") <= 400


def test_httpx_is_used_only_in_the_transport() -> None:
    for path in MODULES:
        if "httpx" in path.read_text(encoding="utf-8") and room_of(name_of(path)) != "transport":
            tree = ast.parse(path.read_text(encoding="utf-8"))
            names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
            names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
            assert not any(name.split(".")[0] == "httpx" for name in names), path


def faces() -> list[str]:
    """The modules that users import from."""
    return ["acomps", *(f"acomps.{item.name}" for item in pkgutil.iter_modules([str(HOUSE)]))]


@pytest.mark.parametrize("face", faces())
def test_the_names_of_a_face_are_complete_and_sorted(face: str) -> None:
    module = importlib.import_module(face)
    names: list[str] = list(module.__all__)
    assert names == sorted(names)
    assert len(names) == len(set(names))
    assert all(hasattr(module, name) for name in names)
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    if str(module.__file__).endswith("__init__.py") and face == "acomps":
        brought_in = {
            alias.asname or alias.name for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
        }
        assert brought_in == set(names)


#: What the core may pull in: its dependencies, and theirs.
CORE = {
    *("acomps", "httpx", "httptools", "sniffio", "anyio", "aiofiles", "orjson", "tenacity", "platformdirs"),
    *("httpcore", "h11", "certifi", "idna", "typing_extensions"),
}
PROBE = """
import sys
seen = []
def watch(event, arguments):
    if event == "open" and isinstance(arguments[1], str) and arguments[1] not in ("r", "rb"):
        seen.append(("written", str(arguments[0])))
    if event in ("socket.connect", "socket.bind", "socket.getaddrinfo", "subprocess.Popen", "os.system"):
        seen.append((event, str(arguments)))
import httpx, httptools, anyio, aiofiles, orjson, tenacity, platformdirs
sys.dont_write_bytecode = True
sys.addaudithook(watch)
before = set(sys.modules)
import acomps
new = sorted({name.partition(".")[0] for name in set(sys.modules) - before} - set(sys.stdlib_module_names))
print(*new)
print(*seen)
"""


def test_importing_acomps_pulls_in_no_extra_and_does_no_io() -> None:
    done = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    packages, _, actions = done.stdout.partition("\n")
    assert set(packages.split()) <= CORE
    assert actions.strip() == ""

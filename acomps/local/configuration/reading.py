"""From the configuration file to the settings of a service."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypedDict

from acomps.local.accounts.users import User, checked_email, checked_group, checked_user_name, is_argon2
from acomps.local.configuration.cybergis import read_cybergis
from acomps.local.configuration.places import read_environments
from acomps.local.configuration.sections import read_toml
from acomps.local.settings import ServiceSettings, default_data_dir

if TYPE_CHECKING:
    from typing import Unpack

    from acomps.local.configuration.sections import Section

__all__ = ["CONFIGURATION_FILE", "Given", "configured"]

#: In the data folder; read when no other file is named.
CONFIGURATION_FILE: Final = "service.toml"


class Given(TypedDict, total=False):
    """What the command line says itself; it counts more than the file."""

    host: str
    port: int
    latency_ms: float
    cores: int
    cancel_grace_s: float


def configured(config: Path | None = None, data_dir: Path | None = None, **given: Unpack[Given]) -> ServiceSettings:
    """The settings in the file `config`, or in service.toml of the data folder if there is one, and in `given`.

    CannotServe names the file, the key and what to do when something is wrong with it.
    """
    folder = data_dir or default_data_dir()
    if config is None:
        usual = folder.expanduser() / CONFIGURATION_FILE
        if not usual.is_file():
            return replace(ServiceSettings(data_dir=folder), **given)
        config = usual
    whole = read_toml(config)
    service = whole.section("service")
    named = service.text("data_dir")
    if data_dir is None and named is not None:
        folder = config.absolute().parent / Path(named).expanduser()
    settings = _service(service, ServiceSettings(data_dir=folder))
    groups = whole.texts("groups")
    environments = read_environments(whole, settings.data_dir)
    users = _users(whole)
    cybergis = read_cybergis(whole.section("cybergis"))
    whole.done()
    if groups is not None:
        known = {group.lower() for group in groups}
        members = [*((one.name, one.group) for one in environments), *((u.name, g) for u in users for g in u.groups)]
        for name, group in members:
            if group.lower() not in known:
                raise whole.wrong("groups", f"{name} is in group {group!r}: add it to the list, or correct the name")
    return replace(settings, environments=environments, users=users, cybergis=cybergis, **given)


def _service(service: Section, settings: ServiceSettings) -> ServiceSettings:
    host, port, cores = service.text("host"), service.integer("port", least=0, most=65_535), None
    cores = service.integer("cores", least=1, most=100_000)
    certificate, key = service.text("tls_certificate"), service.text("tls_key")
    if (certificate is None) != (key is None):
        missing = "tls_key" if key is None else "tls_certificate"
        raise service.wrong(missing, "this is missing: TLS needs a certificate and its key")
    here = service.file.absolute().parent
    found = replace(
        settings,
        host=settings.host if host is None else host,
        port=settings.port if port is None else port,
        cores=settings.cores if cores is None else cores,
        tls_certificate=None if certificate is None else here / certificate,
        tls_key=None if key is None else here / key,
        token_lifetime_s=service.seconds("token_lifetime_s") or settings.token_lifetime_s,
        link_lifetime_s=service.seconds("link_lifetime_s") or settings.link_lifetime_s,
        cancel_grace_s=service.seconds("cancel_grace_s") or settings.cancel_grace_s,
        keep_uploads_s=service.seconds("keep_uploads_s") or settings.keep_uploads_s,
        keep_deleted_s=service.seconds("keep_deleted_s") or settings.keep_deleted_s,
        sweep_every_s=service.seconds("sweep_every_s") or settings.sweep_every_s,
        keep_unreferenced_s=service.seconds("keep_unreferenced_s") or settings.keep_unreferenced_s,
        max_upload_bytes=service.integer("max_upload_bytes", least=1) or settings.max_upload_bytes,
        max_zip_bytes=service.integer("max_zip_bytes", least=1) or settings.max_zip_bytes,
    )
    service.done()
    return found


def _users(whole: Section) -> tuple[User, ...]:
    users: dict[str, User] = {}
    for section in whole.sections("users", "name"):
        name = section.needed("name")
        groups = section.texts("groups")
        email = section.text("email") or ""
        password_hash = section.needed("password_hash")
        section.done()
        if not groups:
            raise section.wrong("groups", 'a user needs at least one group: add groups = ["..."]')
        if not is_argon2(password_hash):
            raise section.wrong("password_hash", "this is no argon2 hash: make one with acomps serve-user hash")
        for key, check, value in (
            ("name", checked_user_name, name),
            ("email", checked_email, email),
            *(("groups", checked_group, group) for group in groups),
        ):
            try:
                check(value)
            except ValueError as exc:
                raise section.wrong(key, str(exc)) from exc
        if name.lower() in users:
            raise section.wrong("name", f"there are two users named {name}: remove one")
        users[name.lower()] = User(name=name, groups=groups, email=email, password_hash=password_hash, fixed=True)
    return tuple(users.values())

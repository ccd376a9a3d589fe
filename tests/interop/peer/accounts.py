"""Logging in and out, and what a token says."""

from __future__ import annotations

import os
from pathlib import Path

from interop.peer.library import AuthManager, Client, Prompt, variable
from interop.peer.scenario import scenario


@scenario("Client.login Client.auth_manager AuthManager.has_auth_token")
def log_in(url: str, given: list[list[str]], server: str = "") -> object:
    """Log in with the first pair that is right, or where `server` says; how often was asked."""
    prompt = Prompt(*((username, password) for username, password in given))
    with variable("COMPS_SERVER", server):
        Client.login(url, prompt)
    return {"asked": prompt.asked, "logged in": Client.auth_manager().has_auth_token()}


@scenario("Client.logout AuthManager.clear_auth_token")
def log_out(url: str | None = None) -> None:
    """Log out, or drop the token that is kept for a host."""
    Client.logout(url)


@scenario()
def need_login() -> object:
    """A call without a login."""
    return Client.auth_manager()


@scenario(
    "AuthManager.username AuthManager.hoststring AuthManager.groups AuthManager.environments",
    "AuthManager.get_auth_token",
)
def token() -> object:
    """What the token in use says, and what is kept on disk."""
    manager = Client.auth_manager()
    kept = [path.read_text() for path in Path(os.environ["XDG_RUNTIME_DIR"]).glob("COMPS_Authtoken_*")]
    return {
        "username": manager.username,
        "hoststring": manager.hoststring,
        "groups": manager.groups,
        "environments": manager.environments,
        "header": manager.get_auth_token(),
        "kept": kept,
    }


@scenario("AuthManager.get_environment_macros AuthManager.get_group_name_for_environment")
def environment(name: str) -> object:
    """What an environment is."""
    return {
        "macros": AuthManager.get_environment_macros(name),
        "group": AuthManager.get_group_name_for_environment(name),
    }


@scenario("Client.get Client.raise_err_from_resp")
def failing_call(path: str) -> object:
    """A call that the server refuses."""
    return Client.get(path).json()


@scenario("AuthManager.__init__ AuthManager.hoststring")
def host_strings(given: list[str]) -> object:
    """How host strings are normalised."""
    return [AuthManager(host, credential_prompt=Prompt()).hoststring for host in given]


@scenario()
def asked() -> object:
    """How often the prompt of the login was asked so far."""
    return Client.auth_manager()._credential_prompt.asked

from __future__ import annotations

import getpass
import io
import sys

import pytest

from acomps.errors import UsageError
from acomps.transport import ConsolePrompt, Credentials, GivenCredentials, NoPrompt

SERVER = "https://comps.example.org"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def type_in(monkeypatch: pytest.MonkeyPatch, line: str, password: str) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(line))

    def typed(prompt: str) -> str:
        return password

    monkeypatch.setattr(getpass, "getpass", typed)


def test_no_text_form_shows_the_password() -> None:
    credentials = Credentials("jdoe", "s3cret")
    assert "s3cret" not in f"{credentials} {credentials!r} {GivenCredentials(credentials)!r}"


@pytest.mark.parametrize(("username", "password"), [("", "x"), ("  ", "x"), ("jdoe", "")])
def test_empty_credentials_are_refused(username: str, password: str) -> None:
    with pytest.raises(UsageError, match="empty"):
        Credentials(username, password)


async def test_the_console_asks_on_standard_error_and_strips_the_user_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    type_in(monkeypatch, "  jdoe \n", "s3cret ")
    assert await ConsolePrompt().ask(SERVER, None, 1) == Credentials("jdoe", "s3cret ")
    shown = capsys.readouterr()
    assert shown.out == ""
    assert SERVER in shown.err


async def test_an_empty_line_takes_the_user_that_is_offered(monkeypatch: pytest.MonkeyPatch) -> None:
    type_in(monkeypatch, "\n", "s3cret")
    assert await ConsolePrompt().ask(SERVER, "jdoe", 1) == Credentials("jdoe", "s3cret")


@pytest.mark.parametrize(("line", "password"), [("", "x"), ("\n", "x"), ("jdoe\n", "")])
async def test_typing_nothing_gives_up(monkeypatch: pytest.MonkeyPatch, line: str, password: str) -> None:
    type_in(monkeypatch, line, password)
    assert await ConsolePrompt().ask(SERVER, None, 1) is None


async def test_the_console_asks_three_times(monkeypatch: pytest.MonkeyPatch) -> None:
    type_in(monkeypatch, "jdoe\n", "s3cret")
    assert await ConsolePrompt().ask(SERVER, None, 3) is not None
    assert await ConsolePrompt().ask(SERVER, None, 4) is None


async def test_without_a_terminal_the_error_names_the_server_and_what_to_give(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("jdoe\n"))
    with pytest.raises(UsageError, match=rf"{SERVER}.*username=.*password="):
        await ConsolePrompt().ask(SERVER, None, 1)
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(UsageError, match="no terminal"):
        await ConsolePrompt().ask(SERVER, None, 1)


async def test_no_prompt_says_what_to_give() -> None:
    with pytest.raises(UsageError, match=rf"{SERVER}.*username=.*password="):
        await NoPrompt().ask(SERVER, None, 1)

"""Requests to a COMPS-like server: the channel, its address, credentials and replay rules."""

from acomps.transport.address import Address, asset_path
from acomps.transport.answers import Answer, StreamedAnswer
from acomps.transport.body import Body
from acomps.transport.channel import Channel
from acomps.transport.clock import Clock
from acomps.transport.credentials import (
    ConsolePrompt,
    CredentialPrompt,
    Credentials,
    GivenCredentials,
    NoPrompt,
)
from acomps.transport.dialect import Dialect
from acomps.transport.retry import Replay, in_doubt
from acomps.transport.tokens import Token, TokenKind

__all__ = [
    "Address",
    "Answer",
    "Body",
    "Channel",
    "Clock",
    "ConsolePrompt",
    "CredentialPrompt",
    "Credentials",
    "Dialect",
    "GivenCredentials",
    "NoPrompt",
    "Replay",
    "StreamedAnswer",
    "Token",
    "TokenKind",
    "asset_path",
    "in_doubt",
]

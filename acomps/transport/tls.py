"""The one TLS context of a session."""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

import certifi

from acomps.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from acomps.settings import TlsSettings

__all__ = ["empty_context", "tls_context"]


def empty_context() -> ssl.SSLContext:
    """A context that trusts nobody, for connections that use no TLS; it costs nothing to build."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def tls_context(settings: TlsSettings) -> ssl.SSLContext:
    """A verifying context with the trust and the identity that the settings name.

    With a CA bundle only that bundle is trusted; without one the system's store and certifi's are. Reads files for
    about 20 ms, so call it in a thread. Raises UsageError naming the file that cannot be used.
    """
    if settings.ca_bundle is None:
        context = ssl.create_default_context()
        context.load_verify_locations(certifi.where())
    else:
        context = empty_context()
        _trust(context, settings.ca_bundle)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    if settings.client_certificate is not None:
        _identify(context, settings.client_certificate, settings.client_key)
    return context


def _trust(context: ssl.SSLContext, bundle: Path) -> None:
    if bundle.is_dir():
        context.load_verify_locations(capath=bundle)
        return
    try:
        context.load_verify_locations(cafile=bundle)
    except ssl.SSLError as exc:
        raise UsageError(f"TlsSettings.ca_bundle: {bundle} holds no certificate in PEM form ({exc.reason})") from exc
    except OSError as exc:
        raise UsageError(f"TlsSettings.ca_bundle: cannot read {bundle}: {exc.strerror}") from exc


def _identify(context: ssl.SSLContext, certificate: Path, key: Path | None) -> None:
    # The empty passphrase keeps OpenSSL from asking for one on the terminal in the middle of a program.
    names = f"{certificate}" if key is None else f"{certificate} with the key {key}"
    try:
        context.load_cert_chain(certificate, key, password="")
    except ssl.SSLError as exc:
        raise UsageError(
            f"TlsSettings.client_certificate: {names} is not a certificate and its key in PEM form without "
            f"a passphrase ({exc.reason or exc})"
        ) from exc
    except OSError as exc:
        raise UsageError(f"TlsSettings.client_certificate: cannot read {names}: {exc.strerror}") from exc

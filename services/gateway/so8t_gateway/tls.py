"""The service's certificate: tried before it is used, and read again when it was renewed."""

from __future__ import annotations

import contextlib
import ssl
from pathlib import Path

from so8t_shared.config.think import Think
from so8t_shared.errors import ConfigError

_RENEW = "renew it; a running service reads it again after SIGHUP"
_MAKE = "set think.tls_cert and think.tls_key to a certificate chain and its private key, both PEM"
_TURNS = 10
"""A handshake needs fewer."""


class Tls:
    """A certificate and its key, as files."""

    def __init__(self, cert: str, key: str) -> None:
        self._cert = cert
        self._key = key
        self.context = self._tried()

    def read_again(self) -> None:
        """Take a renewed certificate for new connections.

        Raises:
            ConfigError: it cannot be used; the old one stays.
        """
        self._tried()
        self.context.load_cert_chain(self._cert, self._key, password=str)

    def _tried(self) -> ssl.SSLContext:
        """A context whose certificate a client has accepted."""
        client, server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        _readable(self._cert, "think.tls_cert")
        _readable(self._key, "think.tls_key")
        try:
            client.load_verify_locations(self._cert)
        except (ssl.SSLError, ValueError) as error:
            raise ConfigError(
                "This is no certificate.", where=f"think.tls_cert = {self._cert}", remedy=_MAKE
            ) from error
        try:
            server.load_cert_chain(self._cert, self._key, password=str)  # an empty one: nobody is asked at a terminal
        except (ssl.SSLError, ValueError) as error:
            raise self._wrong_key(error) from error
        client.check_hostname = False
        client.verify_flags |= ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
        try:
            _shake_hands(client, server)
        except ssl.SSLError as error:
            raise self._refused(getattr(error, "verify_message", "") or error.reason) from error
        return server

    def _refused(self, why: str) -> ConfigError:
        what = f"No client would accept this certificate: {why}."
        return ConfigError(what, where=f"think.tls_cert = {self._cert}", remedy=_RENEW)

    def _wrong_key(self, error: Exception) -> ConfigError:
        where, reason = f"think.tls_key = {self._key}", str(getattr(error, "reason", ""))
        if "TOO_" in reason:  # small or weak, by the system's rules
            return self._refused(reason.lower().replace("_", " "))
        if reason == "KEY_VALUES_MISMATCH":
            return ConfigError("The key is not this certificate's.", where=where, remedy=_MAKE)
        return ConfigError(
            "This is no private key, or a passphrase protects it.",
            where=where,
            remedy="name a PEM file without a passphrase that only the service's user can read",
        )


def tls_of(think: Think) -> Tls | None:
    """The configured certificate; None without one, for plain HTTP.

    Raises:
        ConfigError: certificate or key cannot be used.
    """
    return Tls(think.tls_cert, think.tls_key) if think.tls_cert and think.tls_key else None


def _readable(path: str, setting: str) -> None:
    try:
        Path(path).read_bytes()
    except OSError as error:
        raise ConfigError(
            f"The file cannot be read: {error.strerror}.", where=f"{setting} = {path}", remedy=_MAKE
        ) from error


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext) -> None:
    """Let a client that trusts just this certificate connect to itself.

    Raises:
        ssl.SSLError: it refuses, for instance since the certificate has expired.
    """
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [client.wrap_bio(to_client, to_server), server.wrap_bio(to_server, to_client, server_side=True)]
    for _ in range(_TURNS):
        for end in ends:
            with contextlib.suppress(ssl.SSLWantReadError):
                end.do_handshake()

"""Notifications when a stage or a run ends.

Most addresses of a receiver let anyone send in its name, so they stand in the environment or in a file. The session's
record in the store holds the configuration, and must not hold them.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Field, model_validator

from so8t_shared.config.drives import HostPath
from so8t_shared.config.section import Section
from so8t_shared.config.values import OneOrMany, unique
from so8t_shared.redaction import NOTIFY_VARIABLE, remember_address
from so8t_shared.tables import alerts
from so8t_shared.tables.alerts import AlertName

DESKTOPS = ("dbus", "glib", "gnome", "kde", "macosx", "qt", "windows")
"""Schemes of addresses that hold nothing to keep secret: notifications on this desktop."""


def _harmless(url: str) -> str:
    if url.partition("://")[0].lower() not in DESKTOPS:
        remember_address(url)
        raise ValueError(
            f"only {'://, '.join(DESKTOPS)}:// may stand here; move this address to {NOTIFY_VARIABLE} or"
            " notify.urls_file, since the configuration is stored with the session"
        )
    return url


class Notify(Section):
    """Notifications when something ends."""

    urls: OneOrMany[list[Annotated[str, AfterValidator(_harmless)]]] = Field(
        default=[],
        description=f"Desktops (dbus://); other addresses go into {NOTIFY_VARIABLE} or urls_file.",
    )
    urls_file: HostPath | None = Field(None, description="File with an apprise address per line.")
    on: OneOrMany[Annotated[list[AlertName], AfterValidator(unique)]] = Field(
        default=[row.name for row in alerts.ROWS if row.wanted],
        description="gate_refused: a run_done whose gate refuses B.",
    )
    sound: bool = Field(False, description="Play a sound here.")
    timeout_s: float = Field(10.0, gt=0, le=600, description="Seconds to wait for a receiver, while the run continues.")

    @model_validator(mode="before")
    @classmethod
    def _on_is_a_word(cls, raw: Any) -> Any:
        """YAML 1.1 reads the bare key `on` as true."""
        if isinstance(raw, dict) and True in raw and "on" not in raw:
            return {"on" if key is True else key: value for key, value in raw.items()}
        return raw

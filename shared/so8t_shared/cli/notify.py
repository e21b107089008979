"""`so8t-ab notify`: try the notifications."""

from __future__ import annotations

import typer

from so8t_shared.cli.common import ConfigOption, SetOption
from so8t_shared.config.load import load_config
from so8t_shared.distribution import need_extras
from so8t_shared.errors import ConfigError, ServerError
from so8t_shared.host import host_name
from so8t_shared.redaction import NOTIFY_VARIABLE
from so8t_shared.tables.alerts import BY_NAME
from so8t_shared.terminal.console import out

app = typer.Typer(help="Notifications when a stage or a run ends.", no_args_is_help=True)


@app.command("test")
def send_test(
    config: ConfigOption,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
) -> None:
    """Send one test notification, and print who got it.

    Exits with 4 if a receiver did not.
    """
    from so8t_shared.notify.message import Alert
    from so8t_shared.notify.receivers import receivers_of
    from so8t_shared.notify.sending import DELIVERY, deliver, parcel_of

    settings = load_config(config, overrides).notify
    receivers = receivers_of(settings)
    if not receivers:
        raise ConfigError(
            "Nobody is to be notified.",
            where=str(config),
            remedy=f"set notify.sound: true, or put addresses into {NOTIFY_VARIABLE} or notify.urls_file",
        )
    need_extras([DELIVERY])
    body = f"A test from {host_name()}. Alerts that are on: {', '.join(settings.on) or 'none'}."
    outcomes = deliver(parcel_of(Alert(BY_NAME["run_done"], "SO8T-AB: test", body), receivers, settings.timeout_s))
    for outcome in outcomes:
        if not outcome.fault:
            out.print(f"delivered: {outcome.receiver}", markup=False, highlight=False, soft_wrap=True)
    failed = [f"    - {each.receiver}: {each.fault}" for each in outcomes if each.fault]
    if failed:
        raise ServerError(
            f"Not delivered: {len(failed)} of {len(outcomes)} notifications.",
            where="\n".join([str(config), *failed]),
            remedy="correct these addresses, or start their servers; docs/notifications.md has examples",
        )

"""The command line `so8t-ab`: registers the commands and turns errors into exit codes."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from so8t_shared.cli import (
    answers,
    artifacts,
    audit,
    autostart,
    bundle,
    compare,
    config,
    containers,
    convert,
    data,
    demo,
    doctor,
    export,
    gguf,
    init,
    k8s,
    ladder,
    logs,
    notify,
    plan,
    run,
    stage,
    status,
    study,
    think,
    ui,
    verify,
    watch,
)
from so8t_shared.distribution import NAME, version
from so8t_shared.endings import exit_code_of, text_of
from so8t_shared.terminal.console import err, say

_CTRL_C = 130
_INTERRUPTED = 75

app = typer.Typer(
    name="so8t-ab",
    help="Retrain a local model with SO8T gates, and measure whether it got better.\n\n"
    "Start with 'so8t-ab demo', or with 'so8t-ab init' for your own model.",
    epilog="Exit codes: 0 done, 1 unexpected error, 2 bad configuration or input, 3 upstream failed or missing,"
    " 4 a server cannot be reached, 5 integrity error, 10 the gate did not pass, 75 interrupted and resumable.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("demo")(demo.demo)
app.command("init")(init.init)
app.command("run")(run.run)
app.command("plan")(plan.plan)
app.command("status")(status.status)
app.command("watch")(watch.watch)
app.command("ui")(ui.ui)
app.command("logs")(logs.logs)
app.command("answers")(answers.answers)
app.command("stage")(stage.stage)
app.command("export")(export.export)
app.command("convert")(convert.convert)
app.command("compare")(compare.compare)
app.command("verify")(verify.verify)
app.command("ladder")(ladder.ladder)
app.command("doctor")(doctor.doctor)
app.command("secrets")(containers.secrets)
app.command("images")(containers.images)
app.command("up")(containers.up)
app.command("down")(containers.down)
app.add_typer(study.app, name="study")
app.add_typer(bundle.app, name="bundle")
app.add_typer(config.app, name="config")
app.add_typer(data.app, name="data")
app.add_typer(gguf.app, name="gguf")
app.add_typer(artifacts.app, name="artifacts")
app.add_typer(think.app, name="think")
app.add_typer(audit.app, name="audit")
app.add_typer(notify.app, name="notify")
app.add_typer(autostart.app, name="autostart")
app.add_typer(k8s.app, name="k8s")


def _show_version(wanted: bool) -> None:
    if wanted:
        say(f"{NAME} {version()}\n")
        raise typer.Exit


@app.callback()
def options(
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
    show_version: bool = typer.Option(
        False, "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
    ),
) -> None:
    """Options before the command; the program's help text comes from the app."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    debug = "--debug" in arguments
    try:
        code = get_command(app).main(args=_debug_first(arguments), prog_name="so8t-ab", standalone_mode=False)
    except TyperException as error:
        return _wrong_usage(error)
    except SystemExit as end:
        return _ended(end, arguments, debug=debug)
    except Exception as error:  # noqa: BLE001 - the last resort: anything but a So8tError is a bug and is reported as one
        return _failed(error, debug=debug)
    return _INTERRUPTED if code == _CTRL_C else int(code or 0)


def _ended(end: SystemExit, arguments: list[str], *, debug: bool) -> int:
    """Exit code of a SystemExit. Typer exits with 1 on a broken pipe, which is no error while printing the help.

    All other output goes through `PatientConsole`, so any other broken pipe is not our output's.
    """
    if isinstance(end.__context__, BrokenPipeError):
        return 0 if {"-h", "--help"} & set(arguments) else _failed(end.__context__, debug=debug)
    return end.code if isinstance(end.code, int) else 0 if end.code is None else 1


def _failed(error: Exception, *, debug: bool) -> int:
    style = "red" if err.is_terminal else ""
    err.print(text_of(error, debug=debug), style=style, markup=False, highlight=False, soft_wrap=True)
    return exit_code_of(error)


def _wrong_usage(error: TyperException) -> int:
    message = error.format_message()
    if not message.startswith("Usage:"):  # without arguments the message is the help
        context = getattr(error, "ctx", None)
        usage = context.get_usage() if context else "Usage: so8t-ab [OPTIONS] COMMAND [ARGS]..."
        command = context.command_path if context else "so8t-ab"
        message = f"{usage}\nTry '{command} --help' for help.\nError: {message}"
    err.print(message, markup=False, highlight=False, soft_wrap=True)
    return 2


def _debug_first(arguments: list[str]) -> list[str]:
    """Accept --debug anywhere before '--'."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    given, rest = arguments[:end], arguments[end:]
    if "--debug" not in given:
        return arguments
    return ["--debug", *[a for a in given if a != "--debug"], *rest]


def script() -> None:
    """Console script."""
    sys.exit(main())

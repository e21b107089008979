"""`so8t-ab bundle`: one signed archive with all that a session's results rest on, and a model card made of it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from so8t_shared.cli.common import SessionOption, SetOption, no_session, open_workspace, print_notes
from so8t_shared.cli.verify import SIGNING, PublicKeyOption, prove
from so8t_shared.distribution import need_extras
from so8t_shared.errors import ConfigError, IntegrityError
from so8t_shared.formatting import size
from so8t_shared.tables.functions import named
from so8t_shared.terminal.console import out

app = typer.Typer(invoke_without_command=True)


@app.callback()
def bundle(
    context: typer.Context,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", envvar="SO8T_CONFIG", help="Configuration file (YAML).")
    ] = None,
    session: SessionOption = "",
    output: Annotated[Path | None, typer.Option("--output", "-o", metavar="FILE.zip", help="New archive.")] = None,
    key: Annotated[
        Path | None, typer.Option("--key", help="Private key that signs it; 'so8t-ab bundle key' makes one.")
    ] = None,
    without_texts: Annotated[
        bool, typer.Option("--without-texts", help="Leave out the texts of rows and answers; their digests stay.")
    ] = False,
    overrides: SetOption = [],  # noqa: B006 - typer's way to say "none given"
) -> None:
    """Write a finished session's evidence into one archive.

    It has the configuration, the digests of models, data and GGUF files, rows, answers, results and gate. 'so8t-ab
    verify' computes every result again from the answers. The same session gives the same bytes.

    Examples:

      so8t-ab bundle key -o release.key

      so8t-ab bundle -c my.yaml -o evidence.zip --key release.key

      so8t-ab bundle card evidence.zip -o card
    """
    if context.invoked_subcommand:
        return
    if config is None or output is None:
        missing = "--config" if config is None else "--output"
        raise ConfigError("An option is missing.", where=missing, remedy="write -c CONFIG -o FILE.zip")
    from so8t_shared.bundles import collecting
    from so8t_shared.sessions.session import find_session

    need_extras([*([SIGNING] if key else []), *(["so8t_evaluator"] if without_texts else [])])
    private = named(f"{SIGNING}:read_private_key")(key) if key else None
    workspace = open_workspace(config, overrides)
    name = session or find_session(workspace.store, workspace.config)
    if not name:
        raise no_session(workspace)
    collected = collecting.collect(workspace.store, name)
    if without_texts:
        collected = collecting.without(collected, named("so8t_evaluator.evidence:count_words"))
    sign = named(f"{SIGNING}:sign")
    files = collecting.archived(
        collected, texts=not without_texts, sign=(lambda claim: sign(claim, private)) if private else None
    )
    written = collecting.write(output, files)
    out.print(
        f"{output}: session {name}, {len(files)} files, {size(written)}", markup=False, highlight=False, soft_wrap=True
    )
    if private is None:
        print_notes(["it is unsigned: anyone can make another one; --key signs it"])


@app.command("key")
def make_key(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="New file for the private key.")],
) -> None:
    """Make a key pair (Ed25519): FILE, which only you can read, and FILE.pub, which verifies."""
    need_extras([SIGNING])
    key_id = named(f"{SIGNING}:make_key")(output)
    out.print(f"key {key_id}: {output}, {output}.pub", markup=False, highlight=False, soft_wrap=True)


@app.command("card")
def card(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Bundle.")],
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Folder for the files.")],
    key: PublicKeyOption = None,
    base_model: Annotated[str, typer.Option("--base-model", metavar="OWNER/NAME", help="Model A on the hub.")] = "",
    model_license: Annotated[str, typer.Option("--license", help="License of model B, as the hub names it.")] = "",
    dataset: Annotated[
        str, typer.Option("--dataset", metavar="OWNER/NAME", help="The test rows' benchmark on the hub.")
    ] = "",
    task: Annotated[str, typer.Option("--task", help="Its task, as its eval.yaml names it.")] = "default",
) -> None:
    """Write a model card in English and Japanese from a bundle that verifies.

    README.md has the metadata that Hugging Face reads. With --dataset, .eval_results/ has the results in the form that
    the hub's leaderboards read.
    """
    from so8t_shared.bundles.scratch import scratch_folder

    need_extras(["so8t_evaluator", "so8t_reporter"])
    with scratch_folder() as scratch:
        proof = prove(file, key, scratch)
        if not proof.proven:
            raise IntegrityError(
                "No card is made of a bundle that does not verify.",
                where=str(file),
                remedy="see 'so8t-ab verify'",
            )
        names = {"base_model": base_model, "license": model_license, "dataset": dataset, "task": task}
        written = named("so8t_reporter.card.writing:write_card")(scratch, output, proof, names)
    for path in written:
        out.print(str(path), markup=False, highlight=False, soft_wrap=True)
    if not dataset:
        print_notes(["no .eval_results: the hub lists results only under a benchmark, which --dataset names"])

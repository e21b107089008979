"""`so8t-ab verify`: prove an evidence bundle."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from so8t_shared.cli.common import print_notes
from so8t_shared.distribution import need_extras
from so8t_shared.errors import InputError, IntegrityError
from so8t_shared.formatting import plural
from so8t_shared.tables.functions import named
from so8t_shared.terminal.console import out, say

if TYPE_CHECKING:  # slow: pydantic models
    from so8t_shared.results.bundle import BundleProof

SIGNING = "so8t_shared.bundles.signing"
"""What needs the package that signs."""
_UNDECIDED = InputError.exit_code
_SHOWN = 20
"""Most faults that are printed; --json has all."""

PublicKeyOption = Annotated[
    Path | None, typer.Option("--key", metavar="PUBLIC", help="Public key that must have signed it.")
]


def verify(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Bundle that 'so8t-ab bundle' wrote.")],
    key: PublicKeyOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Prove that an evidence bundle is whole and its results follow.

    Compares every digest and the signature, and computes every result again from the answers: offline, without a model.
    Exits with 5 if anything was changed, and says where; with 2 if only another version of SO8T-AB can decide.

    Examples:

      so8t-ab verify evidence.zip --key release.key.pub

      so8t-ab verify evidence.zip --json
    """
    from so8t_shared.bundles.scratch import scratch_folder

    need_extras(["so8t_evaluator", "so8t_reporter"])
    with scratch_folder() as scratch:
        proof = prove(file, key, scratch)
    if as_json:
        say(json.dumps(proof.model_dump(mode="json"), indent=2) + "\n")
        if not proof.proven:
            raise typer.Exit(IntegrityError.exit_code if proof.faults else _UNDECIDED)
        return
    _show(proof)
    _raise(proof, file)


def prove(file: Path, key: Path | None, scratch: Path) -> BundleProof:
    """Verify a bundle, which is unpacked in `scratch`.

    Raises:
        InputError: bundle or key cannot be read.
    """
    from so8t_shared.bundles.verifying import verify as verify_bundle

    need_extras([SIGNING])
    trusted = named(f"{SIGNING}:read_public_key")(key) if key else ""
    return verify_bundle(file, scratch, trusted)


def _show(proof: BundleProof) -> None:
    for fault in proof.faults[:_SHOWN]:
        out.print(f"{fault.where}: {fault.what}", markup=False, highlight=False, soft_wrap=True)
    if (more := len(proof.faults) - _SHOWN) > 0:
        out.print(f"and {more:,} more; --json has all", highlight=False)
    if proof.proven:
        text = f"session {proof.session_id}: {proof.files} files, {proof.recomputed:,} values computed again: all right"
        out.print(f"{text}. The gate: {proof.gate}.", markup=False, highlight=False, soft_wrap=True)
    signed = {
        "unsigned": "it is unsigned: anyone can have made it, consistent in itself",
        "signed": f"signed by key {proof.key_id}; --key tells whether that is the key you trust",
        "trusted": f"signed by the key you named, {proof.key_id}",
    }
    notes = [signed[proof.signing]] if proof.signing in signed else []
    print_notes([*notes, *(f"not checked: {each}" for each in proof.not_checked)])


def _raise(proof: BundleProof, file: Path) -> None:
    if proof.faults:
        n = len(proof.faults)
        raise IntegrityError(
            f"The bundle is not as it was written: {n:,} {plural(n, 'fault', 'faults')}.",
            where=f"{file}: {proof.faults[0].where}",
            remedy="do not rely on it; get it again from its author",
        )
    if proof.undecided:
        raise InputError(
            f"Not decided by this version: {'; '.join(proof.undecided)}.",
            where=str(file),
            remedy=f"verify it with SO8T-AB {proof.so8t_ab_version or 'of the version that wrote it'}"
            "; nothing in it was found to be wrong",
        )

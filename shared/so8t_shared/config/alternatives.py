"""Other files of model B, to be compared with the primary one before a user chooses them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from so8t_shared.tables.quantizations import BY_NAME, ORDER, Quantization

GUIDED, UNGUIDED = "imatrix", "plain"
"""The primary quantization with an importance matrix, where gguf.imatrix names none; and without the one it names."""

if TYPE_CHECKING:
    AlternativeName = str
else:
    AlternativeName = Literal[(GUIDED, UNGUIDED, *ORDER)]


@dataclass(frozen=True)
class Alternative:
    """One file."""

    name: AlternativeName
    quantization: Quantization
    imatrix: bool
    """Whether an importance matrix guides it."""

    @property
    def apart(self) -> bool:
        """Whether it needs a conversion of its own, as it differs from the others by its matrix."""
        return self.name in (GUIDED, UNGUIDED)

    @property
    def folder(self) -> str:
        """Folder of its file among the conversion's; empty for the one of all others."""
        return self.name if self.apart else ""


def alternatives_of(names: list[AlternativeName], primary: Quantization, *, imatrix: bool) -> list[Alternative]:
    """The files behind the names; `imatrix` if the primary has a matrix."""
    return [
        Alternative(name, name if name in BY_NAME else primary, (name == GUIDED) if name not in BY_NAME else imatrix)
        for name in names
    ]


def alternative_faults(names: list[AlternativeName], primary: Quantization, *, imatrix: bool) -> list[str]:
    """Why the names cannot be compared with the primary."""
    faults = []
    if primary in names:
        faults.append(f"{primary} is the primary one, with which the others are compared; remove it")
    if GUIDED in names and imatrix:
        faults.append(f"{GUIDED}: gguf.imatrix already guides all files; write {UNGUIDED} to compare with none")
    if UNGUIDED in names and not imatrix:
        faults.append(f"{UNGUIDED}: no importance matrix guides the files; write {GUIDED} to compare with one")
    if BY_NAME[primary].from_checkpoint and {GUIDED, UNGUIDED}.intersection(names):
        faults.append(f"{primary} takes no importance matrix; name a quantization instead")
    return faults

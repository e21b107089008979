"""bundle.json, the contents of an evidence bundle, and what `so8t-ab verify` finds in one."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from so8t_shared.documents import Document, Part


class BundledFile(Part):
    """One file of a bundle."""

    name: str = Field(description="Name in the archive: a stage's file as STAGE/PATH, with .gz if it is compressed.")
    size_bytes: int = Field(ge=0, description="In the archive.")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="Of the bytes in the archive.")
    unpacked_bytes: int = Field(ge=0, description="Size of the file itself.")


class BundleIndex(Document):
    """bundle.json: what was packed, and by which version."""

    schema_version: Literal[1] = 1
    so8t_ab_version: str = Field(description="Version of SO8T-AB that wrote the bundle.")
    session_id: str
    created: str = Field(description="When the session was opened: UTC, ISO 8601.")
    versions: dict[str, str] = Field(description="Of SO8T-AB and Python, as the session was opened.")
    texts: bool = Field(description="Whether the texts of rows and answers are there, or only their digests.")
    stages: dict[str, str] = Field(description="Stage to fingerprint.")
    files: list[BundledFile]


class BundleFault(Part):
    """Something in a bundle that is not as it was written, or does not follow from the answers."""

    where: str = Field(description="File, and the place in it.")
    what: str


class Signing(StrEnum):
    """What is known about who vouches for a bundle."""

    UNSIGNED = "unsigned"
    SIGNED = "signed"
    """By the key inside the bundle, which nobody was asked about."""
    TRUSTED = "trusted"
    """By the key that --key names."""
    WRONG = "wrong"
    """By none of them."""
    UNKNOWN = "unknown"
    """The bundle could not be read."""


class BundleProof(Document):
    """What `so8t-ab verify --json` prints."""

    schema_version: Literal[1] = 1
    session_id: str
    so8t_ab_version: str = Field(description="Version of SO8T-AB that wrote the bundle.")
    signing: Signing
    key_id: str = Field("", description="sha256 of the public key that signed it, in its DER form; empty if unsigned.")
    files: int = Field(description="Files whose digests were compared.")
    recomputed: int = Field(description="Values of the results that were computed again from the answers.")
    gate: str = Field("", description="Result of the gate as computed again; empty if it was not.")
    not_checked: list[str] = Field(description="What this bundle cannot show, in a sentence each.")
    undecided: list[str] = Field(description="What this version of SO8T-AB cannot decide, in a sentence each.")
    faults: list[BundleFault]

    @property
    def proven(self) -> bool:
        """Whether everything was decided, and nothing is wrong."""
        return not self.faults and not self.undecided

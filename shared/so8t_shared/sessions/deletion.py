"""Deletes artifacts that no session wants, under their leases, in batches that share their looks at the sessions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass

from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.manifests import WITHDRAWN
from so8t_shared.errors import LeaseLost
from so8t_shared.leases.holder import Watch
from so8t_shared.leases.lease import Lease, seize
from so8t_shared.sessions.uses import Uses

BATCH = 32
"""Leases held at once. The cost of a look, which lists all sessions' names, is divided by it."""


@dataclass(frozen=True)
class _Held:
    """An artifact whose lease is ours, and its manifest as last written."""

    artifact: Artifact
    lease: Lease
    current: tuple[bytes, str] | None
    """Bytes and etag; None if there is no manifest."""


def delete_unwanted(doomed: Sequence[tuple[Artifact, Watch]], uses: Uses, kept: set[str]) -> set[str]:
    """Delete artifacts unless they have become wanted since `uses`; return the prefixes of the deleted ones.

    A manifest goes first, and is restored if a session turns out to have just reused the artifact; a session that
    comes later finds no manifest (see StageRun) and waits for the lease.
    """
    gone: set[str] = set()
    for start in range(0, len(doomed), BATCH):
        gone |= _delete_batch(doomed[start : start + BATCH], uses, kept)
    return gone


def _delete_batch(doomed: Iterable[tuple[Artifact, Watch]], uses: Uses, kept: set[str]) -> set[str]:
    with ExitStack() as leases:
        held = []
        for artifact, watch in doomed:
            if (lease := seize(watch)) is not None:
                leases.callback(lease.stop)
                held.append(_Held(artifact, lease, watch.store.read_versioned(artifact.manifest_key)))
        now = uses.now(kept)
        withdrawn = [(each, etag) for each in held if not now.wants(each.artifact) and (etag := _withdraw(each))]
        now = uses.now(kept)
        wanted = [(each, etag, now.wants(each.artifact)) for each, etag in withdrawn]
        return {each.artifact.prefix for each, etag, wants in wanted if _finish(each, etag, wanted=wants)}


def _withdraw(held: _Held) -> str:
    """The etag of the withdrawn manifest, or "none" where there was none; empty if the artifact is no longer ours."""
    with suppress(LeaseLost):
        held.lease.confirm()
        if held.current is None:
            return "none"
        return held.artifact.store.compare_and_put(held.artifact.manifest_key, WITHDRAWN, held.current[1]) or ""
    return ""


def _finish(held: _Held, withdrawn: str, *, wanted: bool) -> bool:
    """Restore a wanted artifact's manifest, or delete the artifact; return whether it was deleted."""
    artifact, lease = held.artifact, held.lease
    if wanted:
        if held.current:
            artifact.store.compare_and_put(artifact.manifest_key, held.current[0], withdrawn)
        return False
    with suppress(LeaseLost):
        for key in list(artifact.store.list(artifact.prefix)):
            if key not in {artifact.lease_key, artifact.manifest_key}:
                lease.check()
                artifact.store.delete(key)
        lease.confirm()
        artifact.store.delete(artifact.manifest_key)
        lease.discard()
        return True
    return False

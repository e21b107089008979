"""What a session offers to be served, and what of it is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.messages import Said
from tests.unit.gateway.service_process import EMBEDDED
from tests.unit.gateway.session import QUANTIZATION, Prepared, hand_over

from so8t_gateway.session_model import offered, read_session
from so8t_shared.errors import InputError, IntegrityError, UpstreamError
from so8t_shared.labels import LABELS
from so8t_shared.results.conversion import VOCABULARY_FILE
from so8t_shared.results.policy import QuantizationPolicy
from so8t_shared.sessions.markers import StageMarkers


def policy_for(sha256: str) -> QuantizationPolicy:
    """A policy that allows only what is certain."""
    thresholds = {**dict.fromkeys(LABELS, 0.0), "ALLOW": 1.0}
    return QuantizationPolicy(quantization=QUANTIZATION, model_sha256=sha256, temperature=1.0, thresholds=thresholds)


def test_a_policy_decides(guard: Path, tmp_path: Path) -> None:
    """The session's policy is read with the model, and its digest is that of the stored file."""
    tested = Prepared(tmp_path, EMBEDDED)
    first = read_session_of(tested, guard)
    hand_over(tested, guard, new=True, policy=policy_for(first))
    found = read_session(tested.store, tested.config)
    assert found.policy
    assert found.policy.thresholds["ALLOW"] == 1.0
    assert len(found.policy_sha256) == 64


def read_session_of(tested: Prepared, converted: Path) -> str:
    """Digest of the model that a session offers."""
    hand_over(tested, converted)
    found = read_session(tested.store, tested.config)
    assert (found.policy, found.policy_sha256) == (None, "")
    return found.file.sha256


def test_a_policy_of_another_model_is_refused(guard: Path, tmp_path: Path, said: Said) -> None:
    """Thresholds that were fitted for other bytes serve nobody."""
    tested = Prepared(tmp_path, EMBEDDED)
    hand_over(tested, guard, policy=policy_for("f" * 64))
    with pytest.raises(IntegrityError) as raised:
        read_session(tested.store, tested.config)
    assert raised.value.exit_code == 5
    said(raised.value)


def test_a_changed_model_is_refused(guard: Path, tmp_path: Path) -> None:
    """A model whose bytes are not the session's is not served."""
    tested = Prepared(tmp_path, EMBEDDED)
    hand_over(tested, guard)
    (stored,) = (tmp_path / "store").rglob(f"model_b_{QUANTIZATION}.gguf")
    data = bytearray(stored.read_bytes())
    data[-1] ^= 1
    stored.chmod(0o600)
    stored.write_bytes(data)
    with pytest.raises(IntegrityError):
        read_session(tested.store, tested.config)


def test_an_untested_model_is_not_served(guard: Path, tmp_path: Path, said: Said) -> None:
    """Until the test's conclusion is there, a session offers nothing."""
    tested = Prepared(tmp_path, EMBEDDED)
    session = hand_over(tested, guard)
    assert offered(tested.store, tested.config)
    StageMarkers(tested.store, session.session_id, "conclude").clear_completed()
    with pytest.raises(UpstreamError) as raised:
        offered(tested.store, tested.config)
    assert raised.value.exit_code == 3
    said(raised.value)


def test_a_quantization_that_was_not_made(guard: Path, tmp_path: Path, said: Said) -> None:
    """It exits with 2 and lists the quantizations that the session has."""
    tested = Prepared(tmp_path, EMBEDDED)
    session = hand_over(tested, guard)
    other = Prepared(tmp_path, {**EMBEDDED, "think": {"quantization": "q5_k_m", "session": session.session_id}})
    with said.raised(InputError, where=f"session {session.session_id}") as raised:
        read_session(tested.store, other.config)
    assert raised.value.exit_code == 2


def test_a_model_of_another_server_is_not_served(tmp_path: Path, said: Said) -> None:
    """The session has no file of it."""
    tested = Prepared(tmp_path, EMBEDDED)
    (tmp_path / "described").mkdir()
    (tmp_path / "described" / VOCABULARY_FILE).write_bytes(b"")
    session = hand_over(tested, tmp_path / "described")
    with said.raised(InputError, where=f"session {session.session_id}") as raised:
        read_session(tested.store, tested.config)
    assert raised.value.exit_code == 2

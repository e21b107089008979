"""Files and plans of a session in a bucket."""

from __future__ import annotations

from pathlib import Path

from tests.servers.minio_server import MinioServer
from tests.unit.dashboard.material import RUNNING, finish, serving
from tests.unit.shared.material import make_config, make_inputs

from so8t_shared.sessions.markers import StageMarkers
from so8t_shared.sessions.session import open_session
from so8t_shared.store.open import open_store


def test_a_finished_stage(tmp_path: Path, minio: MinioServer) -> None:
    """Its file comes through the dashboard, verified; a file that was changed does not; the plan reuses the stage."""
    section = minio.section(minio.new_bucket())
    config = make_config(make_inputs(tmp_path), session_id_format=RUNNING, store=section)
    bucket = open_store(config)
    finish(bucket, open_session(bucket, config), "convert-a")
    marker = StageMarkers(bucket, RUNNING, "convert-a").completed()
    assert marker
    [file] = [
        key for key in bucket.list(f"artifacts/convert-a/{marker.fingerprint}") if key.endswith("conversion.json")
    ]
    address = f"/sessions/{RUNNING}/files/convert-a/conversion.json"
    with serving(open_store(config, read_only=True), config) as dashboard:
        dashboard.get(f"/sessions/{RUNNING}/plan")
        dashboard.wait(lambda state: list(state.store.list("artifacts/convert-a")))
        assert dashboard.get(address).content == b"{}"
        dashboard.wait(lambda state: "reuse" in dashboard.get(f"/sessions/{RUNNING}/plan").text)
        assert "train" in dashboard.get(f"/sessions/{RUNNING}/plan").text
        bucket.put_bytes(file, b"[]")
        answer = dashboard.get(address)
        assert (answer.status_code, answer.content[:2]) == (502, b"A ")

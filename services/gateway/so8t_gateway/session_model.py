"""What a session hands over to be served: model B at one quantization, how to chat with it, and its policy.

Every file comes out of the store by its manifest, which checks its digest.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from so8t_engines.protocol import ModelFile
from so8t_shared.artifacts.artifact import Artifact
from so8t_shared.artifacts.manifests import Manifest
from so8t_shared.canonical import digest
from so8t_shared.config.model import Config
from so8t_shared.errors import InputError, IntegrityError, UpstreamError
from so8t_shared.models.room import answer_tokens, context_tokens
from so8t_shared.places import gguf_name
from so8t_shared.results.conversion import VOCABULARY_FILE, ChatInfo, ConversionResult
from so8t_shared.results.policy import POLICY_FILE, Policy, QuantizationPolicy
from so8t_shared.results.training import Targets
from so8t_shared.sessions.markers import Completed, StageMarkers
from so8t_shared.sessions.session import find_session, read_record
from so8t_shared.store.base import ArtifactStore
from so8t_shared.tables.quantizations import ORDER, Quantization

_STAGES = ("train", "convert-b", "conclude")
"""Stages that must be complete: a model is served only after its test."""


class NoSession(InputError):
    """The configuration has no session yet."""


@dataclass(frozen=True)
class SessionModel:
    """A model with everything that is needed to serve it."""

    session_id: str
    identity: str
    """Changes whenever the session offers another model or policy."""
    file: ModelFile
    chat: ChatInfo
    policy: QuantizationPolicy | None
    policy_sha256: str
    num_ctx: int
    max_new_tokens: int


def offered(store: ArtifactStore, config: Config) -> str:
    """Return the identity of what the configured session offers now; cheap enough for polling.

    Raises:
        InputError: there is no such session.
        UpstreamError: a stage of it is not complete.
    """
    session_id = _session_id(store, config)
    return _identity(session_id, quantization_of(config), _markers(store, session_id))


def read_session(store: ArtifactStore, config: Config) -> SessionModel:
    """Return the model of the configured session, every file verified.

    Raises:
        InputError: there is no such session, or it has no such quantization.
        UpstreamError: a stage of it is not complete.
        IntegrityError: a file is damaged, or the policy is not of this model.
    """
    session_id, quantization = _session_id(store, config), quantization_of(config)
    markers = _markers(store, session_id)
    if VOCABULARY_FILE in _paths(store, markers):
        raise InputError(
            "The session's model B is another server's, so there is no file to serve.",
            where=f"session {session_id}",
            remedy="set think.session to a session with a model that was made here",
        )
    gguf, targets = gguf_name("b", quantization), "splits/targets.json"
    converted = _files(store, markers["convert-b"], (gguf, "chat.json", "conversion.json"))
    if not (converted / gguf).is_file():
        raise InputError(
            f"The session has no model B at {quantization}.",
            where=f"session {session_id}",
            remedy=f"set think.quantization to one that it has: {', '.join(_quantizations(store, markers))}",
        )
    trained = _files(store, markers["train"], (targets,))
    known = Targets.read(trained / targets) if (trained / targets).is_file() else None
    chat = ChatInfo.read(converted / "chat.json")
    sha256 = _sha256(ConversionResult.read(converted / "conversion.json"), gguf)
    policy, policy_sha256 = _policy(store, markers["conclude"], sha256)
    longest, prompt = (known.longest_tokens, known.longest_prompt_tokens) if known else (None, 0)
    return SessionModel(
        session_id=session_id,
        identity=_identity(session_id, quantization, markers),
        file=ModelFile(
            name=f"{config.ollama.model_b_name}:{quantization}",
            path=converted / gguf,
            sha256=sha256,
            context_length=chat.context_length,
            bos_token=chat.bos_token,
            eos_token=chat.eos_token,
        ),
        chat=chat,
        policy=policy,
        policy_sha256=policy_sha256,
        num_ctx=min(context_tokens(config.ab_test, prompt, longest), chat.context_length),
        max_new_tokens=config.think.max_new_tokens or answer_tokens(config.ab_test, longest),
    )


def quantization_of(config: Config) -> Quantization:
    """Return the quantization to serve."""
    return config.think.quantization or config.gguf.primary_quantization


def _session_id(store: ArtifactStore, config: Config) -> str:
    session_id = config.think.session or find_session(store, config)
    if not session_id:
        raise NoSession(
            "This configuration has no session yet.",
            where=store.location,
            remedy="run the pipeline with 'so8t-ab run', or name a session in think.session",
        )
    read_record(store, session_id)
    return session_id


def _markers(store: ArtifactStore, session_id: str) -> dict[str, Completed]:
    found = {stage: StageMarkers(store, session_id, stage).completed() for stage in _STAGES}
    if missing := [stage for stage, marker in found.items() if marker is None]:
        raise UpstreamError(
            f"The session is not complete: {', '.join(missing)}.",
            where=f"session {session_id}",
            remedy="finish it with 'so8t-ab run'; a model is served only after its test",
        )
    return {stage: marker for stage, marker in found.items() if marker}


def _identity(session_id: str, quantization: Quantization, markers: dict[str, Completed]) -> str:
    return digest([session_id, quantization, [marker.content_digest for marker in markers.values()]])


def _manifest(store: ArtifactStore, marker: Completed) -> tuple[Artifact, Manifest]:
    artifact = Artifact(store, marker.stage, marker.fingerprint)
    manifest = artifact.manifest()
    if manifest is None:
        raise IntegrityError(
            "An artifact of the session is missing.", where=artifact.prefix, remedy="run the session again"
        )
    return artifact, manifest


def _files(store: ArtifactStore, marker: Completed, files: tuple[str, ...]) -> Path:
    artifact, manifest = _manifest(store, marker)
    return artifact.materialize(manifest, files)


def _quantizations(store: ArtifactStore, markers: dict[str, Completed]) -> list[str]:
    """Those that the session has of model B."""
    paths = _paths(store, markers)
    return [each for each in ORDER if gguf_name("b", each) in paths]


def _paths(store: ArtifactStore, markers: dict[str, Completed]) -> set[str]:
    _, manifest = _manifest(store, markers["convert-b"])
    return {entry.path for entry in manifest.files}


def _sha256(conversion: ConversionResult, gguf: str) -> str:
    return next(each.sha256 for each in conversion.files if each.file == gguf)


def _policy(store: ArtifactStore, marker: Completed, sha256: str) -> tuple[QuantizationPolicy | None, str]:
    """The policy of the model and the file's digest; None if the session has no policy at all."""
    artifact, manifest = _manifest(store, marker)
    entry = next((entry for entry in manifest.files if entry.path == POLICY_FILE), None)
    if entry is None:
        return None, ""
    policy = Policy.read(artifact.materialize(manifest, (POLICY_FILE,)) / POLICY_FILE).of(sha256)
    if policy is None:
        raise IntegrityError(
            "The session's policy is not for the model that is to be served.",
            where=f"{POLICY_FILE} of {artifact.prefix}",
            remedy="run the session again, or serve another quantization (think.quantization)",
        )
    return policy, entry.sha256

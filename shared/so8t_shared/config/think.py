"""The /think service: where it listens, what it serves, and what a client may ask for."""

from __future__ import annotations

from pydantic import Field, model_validator

from so8t_shared.config.audit import Audit
from so8t_shared.config.drives import HostPath
from so8t_shared.config.section import Section
from so8t_shared.config.values import LowerQuantization, SessionName


class Think(Section):
    """The /think service (`so8t-ab think`)."""

    host: str = Field(
        "127.0.0.1", min_length=1, description="Address to listen on; any but this host's own needs tokens."
    )
    port: int = Field(8350, ge=0, le=65_535, description="Port to listen on; 0 takes a free one.")
    session: SessionName = Field("", description="Session whose model B is served; by default this configuration's.")
    quantization: LowerQuantization | None = Field(None, description="Quantization to serve; by default gguf.primary.")
    min_confidence: float = Field(
        0.5, ge=0, le=1, description="Least probability of a class; below it, the answer is ESCALATION."
    )
    max_new_tokens: int | None = Field(None, ge=1, description="Most tokens per answer; by default ab_test's.")
    max_temperature: float = Field(1.0, ge=0, le=2, description="Highest temperature that a client gets.")
    max_query_chars: int = Field(20_000, ge=1, description="Most characters per conversation.")
    timeout_s: float = Field(60.0, gt=0, description="Seconds for an answer, waiting included; then ESCALATION.")
    concurrency: int = Field(4, ge=1, description="Requests that the engine gets at once.")
    queue: int = Field(64, ge=0, description="Requests that may wait; more get 503.")
    poll_s: float = Field(10.0, gt=0, description="Seconds between looks for a new model in the store.")
    tls_cert: HostPath | None = Field(None, description="Certificate chain (PEM); without it, plain HTTP.")
    tls_key: HostPath | None = Field(None, description="Private key of the certificate (PEM).")
    receive_s: float = Field(20.0, gt=0, description="Seconds for a request to arrive.")
    tokens_file: HostPath | None = Field(
        None, description="File with the hashes of the clients' tokens, written by 'so8t-ab think token add'."
    )
    audit: Audit = Field(Audit(), description="The audit log.")

    @model_validator(mode="after")
    def _certificate_has_its_key(self) -> Think:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together; set both or neither")
        return self

"""The /think service: where it listens, what it serves, and what a client may ask for."""

from __future__ import annotations

from pydantic import Field, model_validator

from so8t_shared.config.audit import Audit
from so8t_shared.config.drives import HostPath
from so8t_shared.config.section import Section
from so8t_shared.config.values import LowerQuantization, SessionName


class Think(Section):
    """The /think service (`so8t-ab think`)."""

    host: str = Field("127.0.0.1", min_length=1, description="Where to listen; beyond this host it needs tokens.")
    port: int = Field(8350, ge=0, le=65_535, description="0 takes a free one.")
    session: SessionName = Field("", description="Whose model B is served; by default this configuration's.")
    quantization: LowerQuantization | None = Field(None, description="By default gguf.primary.")
    min_confidence: float = Field(0.5, ge=0, le=1, description="Below this probability, the answer is ESCALATION.")
    max_new_tokens: int | None = Field(None, ge=1, description="By default ab_test's.")
    max_temperature: float = Field(1.0, ge=0, le=2, description="A client's highest temperature.")
    max_query_chars: int = Field(20_000, ge=1, description="Characters per conversation.")
    timeout_s: float = Field(60.0, gt=0, description="Seconds until ESCALATION, waiting included.")
    concurrency: int = Field(4, ge=1, description="Requests that the engine gets at once.")
    queue: int = Field(64, ge=0, description="Waiting requests; more get 503.")
    poll_s: float = Field(10.0, gt=0, description="Seconds between looks for a new model.")
    tls_cert: HostPath | None = Field(None, description="Certificate chain (PEM); by default plain HTTP.")
    tls_key: HostPath | None = Field(None, description="Its private key (PEM).")
    receive_s: float = Field(20.0, gt=0, description="Seconds for a request to arrive.")
    tokens_file: HostPath | None = Field(
        None, description="File of clients' token hashes, from 'so8t-ab think token add'."
    )
    open_metrics: bool = Field(False, description="Whether /metrics needs no token.")
    audit: Audit = Field(Audit(), description="The audit log.")

    @model_validator(mode="after")
    def _certificate_has_its_key(self) -> Think:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together; set both or neither")
        return self

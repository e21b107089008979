# The images, one target each: converter, trainer, evaluator, reporter, gateway, ui; climber for ab_test.ladder.
# Build one from the repository root: docker build --target trainer -t so8t-ab/trainer:0.1.0 .
# Packages come from requirements.lock with verified hashes. BuildKit is not required; without it all targets above the
# requested one are built too, so torch comes last.
FROM python:3.11-slim-bookworm AS base
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgomp1 \
    && rm -rf /var/lib/apt/lists/* \
    && mkdir -m 1777 /scratch /results
ENV PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1
ENV PYTHONUNBUFFERED=1 HF_HUB_OFFLINE=1 TOKENIZERS_PARALLELISM=false HOME=/tmp USER=so8t
ENTRYPOINT ["so8t-ab", "stage"]
WORKDIR /build
COPY requirements.lock ./
COPY tools/lock.py tools/
RUN python tools/lock.py common core > needed.txt \
    && pip install --require-hashes --no-deps --requirement needed.txt

# What every image gets: this program, and the packages that notify.
FROM base AS wheel
RUN python tools/lock.py common notify > needed.txt \
    && pip install --require-hashes --no-deps --requirement needed.txt --root /installed
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev
RUN python tools/lock.py common build > needed.txt \
    && pip install --require-hashes --no-deps --requirement needed.txt
COPY pyproject.toml setup.py README.md LICENSE ./
COPY demo demo
COPY shared shared
COPY services services
RUN pip wheel --no-deps --no-build-isolation --wheel-dir /dist . \
    && pip install --no-deps --root /installed /dist/*.whl

# Inference and the paired test: stages import and evaluate. No torch.
FROM base AS evaluator
RUN python tools/lock.py common evaluate > needed.txt \
    && pip install --require-hashes --no-deps --requirement needed.txt
COPY --from=wheel /installed /
WORKDIR /work
USER 10001:10001

# Charts and reports: stage report. No torch.
FROM base AS reporter
RUN python tools/lock.py common report > needed.txt \
    && pip install --require-hashes --no-deps --requirement needed.txt
COPY --from=wheel /installed /
WORKDIR /work
USER 10001:10001

# The /think service. No torch.
FROM base AS gateway
RUN python tools/lock.py common gateway > needed.txt \
    && pip install --require-hashes --no-deps --requirement needed.txt
COPY --from=wheel /installed /
WORKDIR /work
USER 10001:10001
ENTRYPOINT ["so8t-ab", "think"]

# The dashboard. No torch.
FROM base AS ui
RUN python tools/lock.py common ui > needed.txt \
    && pip install --require-hashes --no-deps --requirement needed.txt
COPY --from=wheel /installed /
WORKDIR /work
USER 10001:10001
ENTRYPOINT ["so8t-ab", "ui"]

# Shared by the converter, the trainer and the climber: torch and transformers, stored once.
FROM base AS models
RUN python tools/lock.py common convert train > needed.txt \
    && pip install --require-hashes --no-deps --requirement needed.txt

# HF checkpoint to GGUF: stages convert-a and convert-b.
FROM models AS converter
RUN python tools/lock.py common convert > needed.txt \
    && pip install --require-hashes --no-deps --requirement needed.txt
COPY --from=wheel /installed /
WORKDIR /work
USER 10001:10001

# SO8T retraining: stage train; and the demo's model, which is made with it.
FROM models AS trainer
RUN python tools/lock.py common train > needed.txt \
    && pip install --require-hashes --no-deps --requirement needed.txt \
    && python tools/lock.py common demo > needed.txt \
    && pip install --require-hashes --no-deps --requirement needed.txt
COPY --from=wheel /installed /
WORKDIR /work
USER 10001:10001

# Stage evaluate with ab_test.ladder: asks models as the evaluator does, and measures rungs with the trainer's code.
FROM models AS climber
RUN python tools/lock.py common train > needed.txt \
    && pip install --require-hashes --no-deps --requirement needed.txt \
    && python tools/lock.py common evaluate > needed.txt \
    && pip install --require-hashes --no-deps --requirement needed.txt
COPY --from=wheel /installed /
WORKDIR /work
USER 10001:10001

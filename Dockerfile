# One image for every command. Without the guardrails' models and NumPy:
#   docker build --build-arg EXTRAS=worker,push,telemetry .
FROM python:3.13.15-slim-trixie@sha256:7e3a6aca9d74f93cca21a91d86a8dad8c34749afd5b4a98ee481c9c47b9f5ed4 AS build
ARG EXTRAS=worker,push,telemetry,guardrails,prompts
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE deploy/shrink.py ./
COPY schema ./schema
COPY worker ./worker
# Wheels only, so that no compiler is needed; without pip, which stays behind in this stage, as what no command reads.
RUN python -m venv --without-pip /opt/prompt-worker \
    && python -m pip --python /opt/prompt-worker/bin/python install \
        --no-compile --only-binary :all: -c constraints.txt ".[$EXTRAS]" \
    && python shrink.py /opt/prompt-worker
# Each starts and ends with 78, as nothing is configured; Python keeps the byte code of what they import, and no more.
ENV PATH=/opt/prompt-worker/bin:$PATH
RUN { prompt-worker run executions || test $? = 78; } \
    && { prompt-worker run guardrails || test $? = 78; } \
    && { prompt-worker run dead-letters || test $? = 78; } \
    && { prompt-worker serve || test $? = 78; } \
    && { prompt-worker migrate || test $? = 78; } \
    && { prompt-worker verify || test $? = 78; }

FROM python:3.13.15-slim-trixie@sha256:7e3a6aca9d74f93cca21a91d86a8dad8c34749afd5b4a98ee481c9c47b9f5ed4
ARG VERSION=unversioned
ARG REVISION=unknown
LABEL org.opencontainers.image.title="prompt-worker" \
      org.opencontainers.image.description="Records and guards LLM prompt executions: Pub/Sub in, exact rows and statistics out" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /opt/prompt-worker /opt/prompt-worker
ENV PATH=/opt/prompt-worker/bin:$PATH PYTHONUNBUFFERED=1
USER 10001:10001
# Exec form: prompt-worker is process 1, so SIGTERM reaches it.
ENTRYPOINT ["prompt-worker"]
CMD ["--help"]

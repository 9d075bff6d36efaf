# The image of every part of the line; compose.yaml says which part a container is.
ARG PYTHON_IMAGE=python:3.12-slim

FROM ${PYTHON_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 PIP_ROOT_USER_ACTION=ignore
RUN python3 -m venv /opt/certline
WORKDIR /src
# The dependencies first: they change less often than our code.
COPY requirements/line.txt requirements/tracing.txt requirements/
# `tracing`: with what sends traces to a collector (docs/tracing.md).
ARG REQUIREMENTS=line
RUN /opt/certline/bin/pip install --require-hashes -r requirements/${REQUIREMENTS}.txt
COPY pyproject.toml README.md LICENSE ./
COPY certline certline
COPY board board
COPY cli cli
COPY producers producers
COPY workers workers
COPY models models
COPY simulator simulator
RUN /opt/certline/bin/pip install --no-deps --no-build-isolation .

FROM ${PYTHON_IMAGE}
RUN useradd --system --uid 10001 --home-dir /var/lib/certline --create-home certline \
    && install --directory --owner=certline --group=certline --mode=0700 \
       /var/lib/certline/audit /var/lib/certline/access
COPY --from=build /opt/certline /opt/certline
ENV PATH=/opt/certline/bin:$PATH CERTLINE_HOME=/var/lib/certline PYTHONUNBUFFERED=1
USER certline
WORKDIR /var/lib/certline
ENTRYPOINT ["certline"]
CMD ["--help"]

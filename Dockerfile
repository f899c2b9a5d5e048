# syntax=docker/dockerfile:1

FROM python:3.13-slim AS build
WORKDIR /source
RUN python -m venv --without-pip /opt/fairlead
COPY locks ./locks
RUN pip install --no-cache-dir --require-hashes -r locks/build.txt \
 && pip --python /opt/fairlead/bin/python install --no-cache-dir --require-hashes -r locks/run.txt
COPY . .
RUN pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /wheels . \
 && pip --python /opt/fairlead/bin/python install --no-cache-dir --no-deps /wheels/*.whl

FROM python:3.13-slim AS runtime
COPY --from=build /opt/fairlead /opt/fairlead
ENV PATH=/opt/fairlead/bin:$PATH PYTHONUNBUFFERED=1

# Interception: rules in another container's network namespace, then it ends.
FROM runtime AS intercept
RUN apt-get update \
 && apt-get install --yes --no-install-recommends iproute2 iptables \
 && rm -rf /var/lib/apt/lists/*
ENTRYPOINT ["fairlead", "iptables"]

FROM runtime AS fairlead
LABEL org.opencontainers.image.title="fairlead" \
      org.opencontainers.image.description="A control plane for Envoy" \
      org.opencontainers.image.licenses="Apache-2.0"
RUN useradd --system --uid 10001 --no-create-home fairlead
USER 10001
# xDS and admin; both listen on the loopback address unless told otherwise.
EXPOSE 15010 15014
ENTRYPOINT ["fairlead"]
CMD ["--help"]

# The trainer for CPUs; cuda.Dockerfile adds what GPUs need. Built as operator.Dockerfile is.
ARG BUILDER=docker.io/library/rust:1.95-bookworm
FROM ${BUILDER} AS build
ARG PROGRAMS=
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends binutils libstdc++6
COPY . /src
RUN PROGRAMS=$PROGRAMS /src/images/assemble.sh trainer

FROM scratch
COPY --from=build /image /
USER 65532:65532
EXPOSE 9091
ENTRYPOINT ["/usr/bin/trainer"]
LABEL org.opencontainers.image.title="acuity trainer" org.opencontainers.image.licenses="Apache-2.0 AND BSD-3-Clause"

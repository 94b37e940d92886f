# The trainer for CPUs; cuda.Dockerfile adds what GPUs need. Built as operator.Dockerfile is.
ARG BUILDER=docker.io/library/rust:1.95-bookworm
FROM ${BUILDER} AS packages
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends binutils libstdc++6

FROM packages AS build
ARG PROGRAMS=
COPY . /src
RUN PROGRAMS=$PROGRAMS /src/images/assemble.sh trainer

FROM scratch
# The enhancer's image has the same first layer.
COPY --from=build /image/libtorch /
COPY --from=build /image/libraries /
COPY --from=build /image/program /
USER 65532:65532
EXPOSE 9091
ENTRYPOINT ["/usr/bin/trainer"]
LABEL org.opencontainers.image.title="acuity trainer" org.opencontainers.image.licenses="Apache-2.0 AND BSD-3-Clause"

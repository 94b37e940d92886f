# The enhancer for CPUs; cuda.Dockerfile adds what GPUs need. Built as operator.Dockerfile is.
#
# Debian's FFmpeg is built with x264 and x265: the enhancer, which links it, is under the GPL as a whole.
ARG BUILDER=docker.io/library/rust:1.95-bookworm
FROM ${BUILDER} AS packages
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends binutils libavcodec59 libswscale6 libstdc++6

FROM packages AS build
ARG PROGRAMS=
COPY . /src
RUN PROGRAMS=$PROGRAMS /src/images/assemble.sh enhancer

FROM scratch
# The trainer's image has the same first layer.
COPY --from=build /image/libtorch /
COPY --from=build /image/libraries /
COPY --from=build /image/program /
USER 65532:65532
EXPOSE 9091
ENTRYPOINT ["/usr/bin/enhancer"]
LABEL org.opencontainers.image.title="acuity enhancer" org.opencontainers.image.licenses="Apache-2.0 AND GPL-2.0-or-later AND BSD-3-Clause"

# The media-node and its patch-pairer. Built as operator.Dockerfile is.
#
# Debian's FFmpeg is built with x264 and x265: what links it, patch-pairer here, is under the GPL as a whole.
ARG BUILDER=docker.io/library/rust:1.95-bookworm
FROM ${BUILDER} AS packages
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends binutils libavcodec59 libswscale6

FROM packages AS build
ARG PROGRAMS=
COPY . /src
RUN PROGRAMS=$PROGRAMS /src/images/assemble.sh media-node patch-pairer

FROM scratch
COPY --from=build /image/libraries /
COPY --from=build /image/program /
USER 65532:65532
EXPOSE 8080 9090 8189/udp
ENTRYPOINT ["/usr/bin/media-node"]
LABEL org.opencontainers.image.title="acuity media-node" org.opencontainers.image.licenses="Apache-2.0 AND GPL-2.0-or-later"

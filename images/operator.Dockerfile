# The operator. By itself the file compiles it from the repository, which is the build context. With PROGRAMS the program is
# taken from that folder of the context instead, and BUILDER may then be any Debian 12.
ARG BUILDER=docker.io/library/rust:1.95-bookworm
FROM ${BUILDER} AS packages
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends binutils

FROM packages AS build
ARG PROGRAMS=
COPY . /src
RUN PROGRAMS=$PROGRAMS /src/images/assemble.sh operator

FROM scratch
# The program comes last: a release changes only its layer.
COPY --from=build /image/libraries /
COPY --from=build /image/program /
USER 65532:65532
EXPOSE 8081
ENTRYPOINT ["/usr/bin/operator"]
LABEL org.opencontainers.image.title="acuity operator" org.opencontainers.image.licenses="Apache-2.0"

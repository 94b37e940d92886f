# A trainer or enhancer image with libtorch for NVIDIA GPUs beside the one for CPUs: the program is the same and loads it when
# there is a GPU. BASE is the image for CPUs; the libraries are those of PyTorch's own wheel, several gigabytes.
#
#   buildah bud -f images/cuda.Dockerfile --build-arg BASE=ghcr.io/acuity-video/trainer:0.1.0 -t …/trainer:0.1.0-cuda images
ARG BASE
FROM docker.io/library/python:3.13-slim-bookworm AS libtorch
RUN pip install --no-cache-dir --target /wheels torch==2.11.0 \
 && mkdir -p /opt/libtorch/torch && mv /wheels/torch/lib /opt/libtorch/torch/ && mv /wheels/nvidia /opt/libtorch/

FROM ${BASE}
COPY --from=libtorch /opt/libtorch /opt/libtorch
ENV LD_LIBRARY_PATH=/opt/libtorch/torch/lib

# A trainer or enhancer with libtorch for NVIDIA GPUs beside the one for CPUs: the program is the same and loads it when there
# is a GPU. BASE is the image for CPUs; the libraries are those of PyTorch's own wheels, several gigabytes.
#
#   docker build -f images/cuda.Dockerfile --build-arg BASE=registry.example.com/acuity/trainer:0.1.0 images
ARG BUILDER=docker.io/library/debian:bookworm-slim
ARG BASE
FROM ${BUILDER} AS libtorch
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-pip
RUN pip install --no-cache-dir --target /wheels torch==2.11.0 \
 && mkdir -p /image/opt/libtorch/torch \
 && mv /wheels/torch/lib /image/opt/libtorch/torch \
 && mv /wheels/nvidia /image/opt/libtorch \
 && mv /wheels/*.dist-info /image/opt/libtorch \
 && rm -r /wheels

FROM ${BASE}
COPY --from=libtorch /image /
# video: the GPU's own encoder
ENV LD_LIBRARY_PATH=/opt/libtorch/torch/lib NVIDIA_DRIVER_CAPABILITIES=compute,utility,video

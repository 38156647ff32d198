# Runs detectors, compiles them with TensorRT and serves the page on an NVIDIA Jetson. Built to NVIDIA's
# documentation; NOT RUN BY US ON A BOARD. Please tell what you see.
#
# JetPack 6 (Orin; L4T 36, Ubuntu 22.04, Python 3.10, TensorRT 10.3):
#   docker build -f docker/jetson.Dockerfile -t kit-jetson \
#       --build-arg BASE_IMAGE=.../nvidia/l4t-jetpack:r36.4.0 --build-arg JETPACK=6 .
# JetPack 7 (Thor, from 7.2 on Orin too; Ubuntu 24.04, Python 3.12, TensorRT 10.13 to 11):
#   docker build -f docker/jetson.Dockerfile -t kit-jetson \
#       --build-arg BASE_IMAGE=.../nvidia/tensorrt:25.08-py3 --build-arg JETPACK=7 .
# The latter is also the way to TensorRT on a PC with an NVIDIA GPU.
# Run it on JetPack 6 with --runtime nvidia, on JetPack 7 with --device nvidia.com/gpu=all (CDI).
#
# BASE_IMAGE  of NVIDIA's catalogue, with its digest: CUDA, TensorRT and its Python module are the
#             platform's. A container must match the board's L4T: 36.4 on JetPack 6.1 and 6.2.
# JETPACK     6 or 7: which lock.
# wheels/     ONNX Runtime for the board, if you have one built for its GPU (sm_87 Orin, sm_110 Thor):
#             put it there, and its lines with hashes into wheels/requirements.txt. The registry's
#             onnxruntime-gpu has no code for these GPUs; the lock has the one for the CPU, which
#             `kit compile` compares engines with.
ARG BASE_IMAGE=ubuntu:24.04

# --- the kit as a wheel, and the tools that tell licences; nothing of this stage is in the image
FROM ${BASE_IMAGE} AS installed
SHELL ["/bin/sh", "-euc"]
RUN apt-get update; \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-pip python3-venv
WORKDIR /src
COPY requirements/build.txt requirements/supply.txt requirements/
RUN python3 -m venv /opt/tools; \
    /opt/tools/bin/pip install --no-cache-dir --no-compile --require-hashes --no-deps \
        -r requirements/build.txt -r requirements/supply.txt
COPY . .
RUN /opt/tools/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /dist .

# The environment sees the system's packages, for TensorRT's sake; its own come first.
ARG JETPACK=7
RUN python3 -m venv --system-site-packages --without-pip /opt/venv; \
    /opt/tools/bin/pip --python /opt/venv/bin/python install --ignore-installed --no-cache-dir \
        --no-compile --require-hashes --no-deps -r "requirements/jetson-$JETPACK.txt"; \
    if [ -f wheels/requirements.txt ]; then \
        /opt/tools/bin/pip --python /opt/venv/bin/python uninstall -y onnxruntime; \
        /opt/tools/bin/pip --python /opt/venv/bin/python install --no-cache-dir --no-compile --no-index --no-deps \
            --require-hashes --find-links wheels -r wheels/requirements.txt; \
    fi; \
    /opt/tools/bin/pip --python /opt/venv/bin/python install --no-cache-dir --no-compile --no-index \
        --no-deps /dist/*.whl; \
    /opt/tools/bin/python -m kit.supply /licences --environment /opt/venv --place "jetson-$JETPACK"
WORKDIR /
# Importing shows that it is whole, and leaves byte code of what is used: a read-only root keeps none.
RUN /opt/venv/bin/python -c "import kit.bench.latency, kit.door, kit.evaluate.report, kit.export.compile, kit.runtime.backends.onnxruntime, gradio, kit.app.server"; \
    /opt/venv/bin/python -c "import cv2; assert 'GUI: NONE' in ' '.join(cv2.getBuildInformation().split())"

# --- the image
FROM ${BASE_IMAGE}
SHELL ["/bin/sh", "-euc"]
RUN apt-get update; \
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3; \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* /var/log/*; \
    install -d -m 1777 /data /out /weights /cache
COPY --from=installed /licences /licences
COPY --from=installed /opt/venv /opt/venv

# Nothing asks anybody outside, and nothing is written but in /tmp and what is mounted. An engine is
# tied to a note in KIT_CACHE: keep it, with -v cache:/cache.
ENV PATH=/opt/venv/bin:$PATH \
    LANG=C.UTF-8 \
    HOME=/tmp \
    KIT_CACHE=/cache \
    KIT_DATA=/data \
    KIT_WEIGHTS=/weights \
    MPLCONFIGDIR=/tmp/mpl \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1 \
    GRADIO_ANALYTICS_ENABLED=False \
    GRADIO_RUN_HISTORY=false \
    GRADIO_TEMP_DIR=/tmp/gradio \
    HF_HUB_OFFLINE=1 \
    HF_HUB_DISABLE_TELEMETRY=1 \
    OPENCV_IO_MAX_IMAGE_PIXELS=120000000 \
    NVIDIA_DRIVER_CAPABILITIES=all

ARG BASE_IMAGE
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="detector-kit, Jetson" \
      org.opencontainers.image.description="Runs, compiles, times and serves detectors. Not run by us on a board. Research use only. What is inside: /licences" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="$BASE_IMAGE"

# A number, so that an orchestrator can tell that it isn't root; any other works too. For a camera
# say --device /dev/video0 --group-add video, for the GPU's nodes --group-add render.
USER 10001:10001
WORKDIR /out
STOPSIGNAL SIGTERM
EXPOSE 7860
# Of `kit serve` on its usual port without a certificate; for other verbs say --no-healthcheck.
HEALTHCHECK --interval=15s --timeout=5s --start-period=90s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:7860/healthz', timeout=4)"]
ENTRYPOINT ["kit"]
CMD ["--help"]

# Trains, evaluates, exports, runs studies; the GPU's libraries come with the lock, only the driver is
# the host's. Holds ultralytics, which is under the AGPL-3.0: read /licences before you hand it on.
#
#   docker build -f docker/train.Dockerfile -t kit-train .
#
# BASE_IMAGE  Debian 12. Name it with its digest to get the same one again:
#             --build-arg BASE_IMAGE=debian:bookworm-slim@sha256:...
# LOCK        what to install, by hashes. Another one, e.g. with torch's builds for the CPU, is one of
#             your own; PIP_FIND_LINKS says where its wheels are.
ARG BASE_IMAGE=debian:bookworm-slim

# --- the kit as a wheel, and the tools that tell licences; nothing of this stage is in the image
FROM ${BASE_IMAGE} AS wheel
SHELL ["/bin/sh", "-euc"]
RUN apt-get update; apt-get install -y --no-install-recommends binutils python3-pip python3-venv
WORKDIR /src
COPY requirements/build.txt requirements/supply.txt requirements/
RUN python3 -m venv /opt/tools; \
    /opt/tools/bin/pip install --no-cache-dir --no-compile --require-hashes --no-deps \
        -r requirements/build.txt -r requirements/supply.txt
COPY . .
RUN /opt/tools/bin/pip wheel --no-cache-dir --no-deps --no-build-isolation --wheel-dir /dist .

# --- what the lock says, by its hashes, and the kit among it
FROM wheel AS installed
ARG LOCK=requirements/train.txt
ARG PIP_FIND_LINKS
RUN python3 -m venv --without-pip /opt/venv; \
    pip --python /opt/venv/bin/python install --no-cache-dir --no-compile --require-hashes --no-deps \
        -r "$LOCK"; \
    pip --python /opt/venv/bin/python install --no-cache-dir --no-compile --no-index --no-deps /dist/*.whl; \
    /opt/tools/bin/python -m kit.supply /licences --environment /opt/venv --place train
WORKDIR /
# Importing shows that it is whole, and leaves byte code of what is used: a read-only root keeps none.
RUN /opt/venv/bin/python -c "import kit.finetune.train, kit.families.ultralytics, kit.export.export, kit.export.quantise, kit.report.evaluation"; \
    /opt/venv/bin/python -c "import cv2; assert 'GUI: NONE' in ' '.join(cv2.getBuildInformation().split())"

# --- the image
FROM ${BASE_IMAGE}
SHELL ["/bin/sh", "-euc"]
RUN apt-get update; \
    apt-get install -y --no-install-recommends python3; \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/* /var/log/*; \
    install -d -m 1777 /data /out /weights /cache
COPY --from=installed /licences /licences
COPY --from=installed /opt/venv /opt/venv

# Nothing asks anybody outside, and nothing is written but in /tmp and what is mounted.
ENV PATH=/opt/venv/bin:$PATH \
    LANG=C.UTF-8 \
    HOME=/tmp \
    KIT_CACHE=/tmp/kit \
    KIT_DATA=/data \
    KIT_WEIGHTS=/weights \
    MPLCONFIGDIR=/tmp/mpl \
    TORCH_HOME=/tmp/torch \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    YOLO_OFFLINE=1 \
    YOLO_AUTOINSTALL=0 \
    YOLO_CONFIG_DIR=/tmp/yolo \
    ULTRALYTICS_SKIP_REQUIREMENTS_CHECKS=1 \
    ULTRALYTICS_SAFE_LOAD=1 \
    NO_ALBUMENTATIONS_UPDATE=1 \
    ORT_DISABLE_TELEMETRY=1 \
    HF_HUB_OFFLINE=1 \
    HF_HUB_DISABLE_TELEMETRY=1 \
    WANDB_MODE=disabled \
    COMET_MODE=disabled \
    OPENCV_IO_MAX_IMAGE_PIXELS=120000000 \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

ARG BASE_IMAGE
ARG VERSION=0.1.0
LABEL org.opencontainers.image.title="detector-kit, train" \
      org.opencontainers.image.description="Fine-tunes, evaluates and exports detectors. Research use only. What is inside: /licences" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.licenses="Apache-2.0 AND AGPL-3.0-only" \
      org.opencontainers.image.base.name="$BASE_IMAGE"

# A number, so that an orchestrator can tell that it isn't root; any other works too.
USER 10001:10001
WORKDIR /out
# On SIGTERM training ends its step, saves, and exits with 143; the same command with --resume goes on.
# Give it time: docker stop -t 120. There is no service here whose health could be asked.
STOPSIGNAL SIGTERM
ENTRYPOINT ["kit"]
CMD ["--help"]

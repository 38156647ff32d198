# Runs detectors (detect, evaluate, bench) and, with APP=1, the page. No torch, nothing under the AGPL.
#
#   docker build -f docker/edge.Dockerfile -t kit-edge .
#   docker build -f docker/edge.Dockerfile -t kit-app --build-arg APP=1 .
#   docker build -f docker/edge.Dockerfile -t kit-edge-cuda --build-arg VARIANT=cuda .
#   docker build -f docker/edge.Dockerfile -t kit-edge-trt --build-arg VARIANT=tensorrt \
#       --build-arg BASE_IMAGE=.../nvidia/tensorrt:25.08-py3 .
#
# BASE_IMAGE  Debian 12. Name it with its digest to get the same one again:
#             --build-arg BASE_IMAGE=debian:bookworm-slim@sha256:...
# VARIANT     cpu; cuda: ONNX Runtime on NVIDIA GPUs, with the libraries of the lock; tensorrt: the same,
#             and TensorRT of NVIDIA's image for it (Python 3.12, of Ubuntu 24.04), which has to be the
#             base: the registry's packages of it fetch the library while they are installed, which no
#             lock by hashes can hold. Engines are tied to a note in KIT_CACHE: keep it, with
#             -e KIT_CACHE=/cache -v cache:/cache. Not built by us, for want of that base.
# APP         0, or 1 for the page too.
ARG BASE_IMAGE=debian:bookworm-slim
ARG APP=0

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

# --- what the lock says, by its hashes
FROM wheel AS packages-0
ARG VARIANT=cpu
RUN python3 -m venv --without-pip /opt/venv; \
    test "$VARIANT" != tensorrt || sed -i '/^include-system/s/false/true/' /opt/venv/pyvenv.cfg; \
    ln -s /opt/venv/lib/python3* /opt/lib; \
    pip --python /opt/venv/bin/python install --ignore-installed --no-cache-dir --no-compile \
        --require-hashes --no-deps -r "requirements/edge-$VARIANT.txt"

FROM packages-0 AS packages-1
RUN pip --python /opt/venv/bin/python install --no-cache-dir --no-compile --require-hashes --no-deps \
        -r "requirements/edge-$VARIANT-app.txt"

# --- the kit among them; then away with what no verb opens: tests, sources in C, symbols for debuggers,
#     fonts for PDF, ONNX Runtime's converters, and its library for C, which the Python module holds again
# hadolint ignore=DL3006
FROM packages-${APP} AS installed
ARG APP=0
RUN pip --python /opt/venv/bin/python install --no-cache-dir --no-compile --no-index --no-deps /dist/*.whl; \
    /opt/tools/bin/python -m kit.supply /licences --environment /opt/venv --place "edge-$VARIANT"
WORKDIR /opt/lib/site-packages
RUN find . -type d -name tests -prune -exec rm -rf {} +; \
    find . -type f \( -name '*.c' -o -name '*.h' -o -name '*.pyx' -o -name '*.pyi' \) -delete; \
    find PIL contourpy cryptography fontTools kiwisolver matplotlib numpy yaml -name '*.so' \
        -exec strip --strip-unneeded {} +; \
    rm -rf matplotlib/mpl-data/fonts/afm matplotlib/mpl-data/fonts/pdfcorefonts \
        numpy/distutils numpy/f2py onnxruntime/tools onnxruntime/transformers \
        onnxruntime/capi/libonnxruntime.so.*
# Importing shows that it is whole, and leaves byte code of what is used: a read-only root keeps none.
RUN test "$APP" = 0 || page=", gradio, kit.app.server"; \
    /opt/venv/bin/python -c "import kit.bench.latency, kit.door, kit.evaluate.report, kit.runtime.backends.onnxruntime${page:-}"; \
    /opt/venv/bin/python -c "import cv2; assert 'GUI: NONE' in ' '.join(cv2.getBuildInformation().split())"

# --- the image
FROM ${BASE_IMAGE} AS edge-0
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
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ORT_DISABLE_TELEMETRY=1 \
    GRADIO_ANALYTICS_ENABLED=False \
    GRADIO_RUN_HISTORY=false \
    GRADIO_TEMP_DIR=/tmp/gradio \
    HF_HUB_OFFLINE=1 \
    HF_HUB_DISABLE_TELEMETRY=1 \
    OPENCV_IO_MAX_IMAGE_PIXELS=120000000 \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility

ARG BASE_IMAGE
ARG VERSION=0.1.0
ARG VARIANT=cpu
LABEL org.opencontainers.image.title="detector-kit, edge, $VARIANT" \
      org.opencontainers.image.description="Runs and times detectors. Research use only. What is inside: /licences" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.base.name="$BASE_IMAGE"

# A number, so that an orchestrator can tell that it isn't root; any other works too.
USER 10001:10001
WORKDIR /out
# SIGTERM, the default, is what the kit stops by. There is no service here whose health could be asked.
STOPSIGNAL SIGTERM
ENTRYPOINT ["kit"]
CMD ["--help"]

FROM edge-0 AS edge-1
EXPOSE 7860
# Of `kit serve` on its usual port without a certificate; elsewhere say --no-healthcheck, or your own.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:7860/healthz', timeout=4)"]

# hadolint ignore=DL3006
FROM edge-${APP}

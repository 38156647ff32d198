# Runs detectors (detect, evaluate, bench) and, with APP=1, the page. No torch, nothing under the AGPL.
#
#   docker build -f docker/edge.Dockerfile -t kit-edge .
#   docker build -f docker/edge.Dockerfile -t kit-app --build-arg APP=1 .
#   docker build -f docker/edge.Dockerfile -t kit-edge-cuda --build-arg VARIANT=cuda .
#
# BASE_IMAGE  Debian 12. Name it with its digest to get the same one again:
#             --build-arg BASE_IMAGE=debian:bookworm-slim@sha256:...
# VARIANT     cpu; cuda (ONNX Runtime on NVIDIA GPUs); tensorrt (that, and TensorRT to compile engines
#             with: its licence is NVIDIA's own, read it before you hand such an image on).
# APP         0, or 1 for the page too.
ARG BASE_IMAGE=debian:bookworm-slim
ARG APP=0

# --- the kit as a wheel; nothing of this stage is in the image
FROM ${BASE_IMAGE} AS wheel
SHELL ["/bin/sh", "-euc"]
RUN apt-get update; apt-get install -y --no-install-recommends binutils python3-pip python3-venv
WORKDIR /src
COPY requirements/build.txt requirements/
RUN python3 -m venv /opt/tools; \
    /opt/tools/bin/pip install --no-cache-dir --require-hashes --no-deps -r requirements/build.txt
COPY . .
RUN /opt/tools/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /dist .

# --- what the lock says, by its hashes
FROM wheel AS packages-0
ARG VARIANT=cpu
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python3 -m venv --without-pip /opt/venv; \
    pip --python /opt/venv/bin/python install --no-compile --require-hashes --no-deps \
        -r requirements/edge-${VARIANT}.txt

FROM packages-0 AS packages-1
RUN pip --python /opt/venv/bin/python install --no-compile --require-hashes --no-deps \
        -r requirements/edge-${VARIANT}-app.txt

# --- the kit, less what no verb opens: tests, sources in C, symbols for debuggers, ONNX Runtime's
#     converters and its library for C, which the Python module holds once more
FROM packages-${APP} AS installed
ARG APP=0
RUN pip --python /opt/venv/bin/python install --no-compile --no-index --no-deps /dist/*.whl
WORKDIR /opt/venv/lib/python3.11/site-packages
RUN find . -type d -name tests -prune -exec rm -rf {} +; \
    find . -type f \( -name '*.c' -o -name '*.h' -o -name '*.pyx' -o -name '*.pyi' \) -delete; \
    rm -rf onnxruntime/tools onnxruntime/transformers onnxruntime/capi/libonnxruntime.so.*; \
    find PIL contourpy cryptography fontTools kiwisolver matplotlib numpy yaml -name '*.so' \
        -exec strip --strip-unneeded {} +
# Importing it all shows that it is whole, and leaves byte code of what is used, since a read-only
# root keeps none later.
RUN test "$APP" = 0 || page="import gradio, kit.app.server"; \
    /opt/venv/bin/python -c "import cv2; assert 'GUI: NONE' in ' '.join(cv2.getBuildInformation().split())"; \
    /opt/venv/bin/python -c "import kit.bench.latency, kit.door, kit.evaluate.report, kit.report.evaluation, kit.report.film, kit.report.html, kit.report.latency, kit.runtime.backends.onnxruntime; ${page:-}"

# --- the image
FROM ${BASE_IMAGE} AS edge-0
SHELL ["/bin/sh", "-euc"]
RUN apt-get update; \
    apt-get install -y --no-install-recommends python3; \
    rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*; \
    install -d -m 1777 /cache /data /out /weights
COPY --from=installed /opt/venv /opt/venv

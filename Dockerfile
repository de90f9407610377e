# The HTTP service in a container; docs/container.md says how it is built and run.
ARG PYTHON=3.12-slim-bookworm

FROM python:${PYTHON} AS build
# Of builds of torch, such as those for a CPU alone; empty for pip's own index, whose build for Linux brings CUDA along.
ARG TORCH_INDEX=
WORKDIR /src
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN python -m venv /opt/ser \
    && if [ -n "$TORCH_INDEX" ]; then \
        /opt/ser/bin/pip install --no-cache-dir --constraint constraints.txt --index-url "$TORCH_INDEX" torch torchaudio; \
    fi
COPY ser_plugins ser_plugins
RUN /opt/ser/bin/pip install --no-cache-dir --constraint constraints.txt ".[serve,video]"

FROM python:${PYTHON}
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin ser
COPY --from=build /opt/ser /opt/ser
# All that is written goes to /tmp, which may be a memory disk: the rest may be read-only.
ENV PATH=/opt/ser/bin:$PATH HOME=/tmp HF_HOME=/tmp/huggingface MPLCONFIGDIR=/tmp/matplotlib \
    PYTHONDONTWRITEBYTECODE=1 PYTHONUNBUFFERED=1
WORKDIR /tmp
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=4)"]
ENTRYPOINT ["ser"]
CMD ["serve", "--host", "0.0.0.0", "--port", "8000"]

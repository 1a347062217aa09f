# The same steps as `make serve`: the pinned lock file into .venv, then the package itself.
FROM python:3.11.13-slim-bookworm

RUN apt-get update \
 && apt-get install --yes --no-install-recommends make \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --create-home --uid 1000 cellwise \
 && install --directory --owner=cellwise /app /home/cellwise/data

USER cellwise
WORKDIR /app

# First what changes rarely, so that a change of code doesn't install everything again.
COPY --chown=cellwise Makefile pyproject.toml requirements.lock README.md LICENSE ./
COPY --chown=cellwise analysis analysis
COPY --chown=cellwise data data
COPY --chown=cellwise service service
RUN make venv

ENV CELLWISE_HOME=/home/cellwise/data \
    HOST=0.0.0.0 \
    PORT=8000 \
    PATH=/app/.venv/bin:$PATH
VOLUME /home/cellwise/data
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health')"]
STOPSIGNAL SIGTERM
CMD ["cellwise", "serve", "--host", "0.0.0.0", "--port", "8000"]

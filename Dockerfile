# A service that tags posts: docker build -t mner . && docker run -p 8000:8000 -v ./runs/0:/model:ro mner
FROM python:3.12-slim
RUN useradd --create-home --uid 10001 mner
# An index of CPU-only wheels of torch and torchvision makes the image several gigabytes smaller:
# docker build --build-arg PIP_EXTRA_INDEX_URL=...
ARG PIP_EXTRA_INDEX_URL
WORKDIR /src
COPY pyproject.toml README.md LICENSE ./
COPY mner mner
# The project itself, whose pyproject.toml bounds its dependencies.
# hadolint ignore=DL3013
RUN pip install --no-cache-dir ".[serve]" && rm -rf /src/*
# By number, so that Kubernetes can see that it is not root.
USER 10001
WORKDIR /home/mner
ENV HF_HUB_OFFLINE=1 OMP_NUM_THREADS=2
EXPOSE 8000
HEALTHCHECK --start-period=60s CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=5)"]
ENTRYPOINT ["mner", "serve", "--host", "0.0.0.0"]
CMD ["--ckpt_path", "/model/best.ckpt"]

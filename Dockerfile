# gpt1 with its packages at the versions and hashes of the lock file: docs/machines.md
#   docker build -t gpt1 .                                  PyTorch for the CPU
#   docker build -t gpt1:cuda --build-arg TORCH=pypi .      for NVIDIA cards; needs their driver alone
ARG PYTHON=3.12
FROM python:${PYTHON}-slim-bookworm

# Which build of PyTorch, as scripts/install.py takes it: cpu, pypi, cu126, ...
ARG TORCH=cpu
# What remotes and databases want: dvc-s3, dvc-gs, psycopg2-binary, ...
ARG PACKAGES=dvc-s3
ENV PATH=/opt/gpt1/bin:$PATH PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 DVC_NO_ANALYTICS=1 DO_NOT_TRACK=1

# git for DVC; g++ for torch.compile. Versions are those of Debian's stable release.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git g++ \
    && rm -rf /var/lib/apt/lists/* \
    && git config --system safe.directory '*' \
    && useradd --create-home --uid 1000 gpt1 \
    && mkdir /project \
    && chmod 1777 /project /home/gpt1

# The packages are a layer of their own, which an edit of the code leaves as it is.
WORKDIR /source
COPY constraints.txt pyproject.toml setup.py README.md LICENSE ./
COPY scripts/install.py scripts/
RUN TORCH=${TORCH} python scripts/install.py /opt/gpt1 \
    && uv pip install --python /opt/gpt1 --compile-bytecode --constraint constraints.txt ${PACKAGES}
COPY . .
RUN uv pip install --python /opt/gpt1 --compile-bytecode --no-deps --no-build-isolation \
        --reinstall-package gpt1 .

USER 1000
WORKDIR /project
# Also for a user of another number (docker run --user), who has neither.
ENV USER=gpt1 HOME=/home/gpt1
ENTRYPOINT ["gpt1"]
CMD ["--help"]

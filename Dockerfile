# medmae for CPUs, or for NVIDIA GPUs:
#     docker build -t medmae .
#     docker build -t medmae:gpu --build-arg TORCH= .
#     docker run --rm --shm-size 8g -v "$PWD:/work" medmae prep mr raw prepared
#     docker run --rm --shm-size 8g --gpus all -v "$PWD:/work" medmae:gpu run mr_edge_mae_pretraining train --dataset_dir prepared
ARG PYTHON=3.12
FROM python:${PYTHON}-slim AS build
RUN apt-get update && apt-get install --yes --no-install-recommends make && rm -rf /var/lib/apt/lists/*
WORKDIR /opt/medmae
# What is pinned first: it changes seldom, and is kept when only the code does.
COPY .ci/uv.txt .ci/uv.txt
COPY Makefile pyproject.toml hatch_build.py requirements.txt README.md LICENSE ./
COPY medmae medmae
COPY data_prep data_prep
COPY bundles bundles
# `cpu` is PyTorch's build for CPUs; empty takes the pinned build with CUDA, checked by hash, which brings its libraries along.
ARG TORCH=cpu
RUN make setup PYTHON=python3 TORCH=${TORCH}

FROM python:${PYTHON}-slim
COPY --from=build /opt/medmae /opt/medmae
ENV PATH=/opt/medmae/.venv/bin:$PATH
# Results belong to whoever runs it: docker run --user "$(id -u):$(id -g)"; caches go where anybody may write.
ENV HOME=/tmp MPLCONFIGDIR=/tmp/matplotlib
WORKDIR /work
ENTRYPOINT ["medmae"]
CMD ["--help"]

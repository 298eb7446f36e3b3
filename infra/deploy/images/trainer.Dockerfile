# A Ray node with CUDA that runs the training jobs of infra/ray. Their code is uploaded with each job; what they import is here.
# Build from the root of the project: docker build -f infra/deploy/images/trainer.Dockerfile -t rmr1-trainer .
# The tag's Ray and Python must be those of both lock files: a job checks them at its start.
ARG RAY_IMAGE=rayproject/ray:2.60.0-py311-gpu
FROM ${RAY_IMAGE}
COPY --chown=ray:users infra/ray/requirements.txt /tmp/requirements.txt
RUN pip install --no-cache-dir --requirement /tmp/requirements.txt && rm /tmp/requirements.txt
# verl and TRL want other versions of the same packages: verl has an environment of its own, with the same Ray. What it needs
# on GPUs is not in the lock file (docs/deploy.md): vLLM, and flash-attn, which has no wheel and compiles.
COPY --chown=ray:users infra/ray/verl-requirements.txt /tmp/verl-requirements.txt
ARG VERL_ON_GPUS="verl[vllm]==0.9.1 flash-attn==2.8.3"
RUN python -m venv /home/ray/verl && \
    /home/ray/verl/bin/pip install --no-cache-dir --requirement /tmp/verl-requirements.txt && \
    /home/ray/verl/bin/pip install --no-cache-dir --no-build-isolation ${VERL_ON_GPUS} && \
    rm /tmp/verl-requirements.txt
ENV RMR1_VERL_PYTHON=/home/ray/verl/bin/python
# Ray counts nobody here.
ENV RAY_USAGE_STATS_ENABLED=0
STOPSIGNAL SIGTERM

# A Ray node with CUDA that runs the training jobs of infra/ray. Their code is uploaded with each job; what they import is here.
# Build from the root of the project: docker build -f infra/deploy/images/trainer.Dockerfile -t rmr1-trainer .
# The tag's Ray and Python must be those of infra/ray/requirements.txt: a job checks them at its start.
ARG RAY_IMAGE=rayproject/ray:2.60.0-py311-gpu
FROM ${RAY_IMAGE}
COPY --chown=ray:users infra/ray/requirements.txt /tmp/requirements.txt
RUN pip install --no-cache-dir --requirement /tmp/requirements.txt && rm /tmp/requirements.txt
# Ray counts nobody here.
ENV RAY_USAGE_STATS_ENABLED=0
STOPSIGNAL SIGTERM

# docker build -t ablations . && mkdir -p out
# docker run --rm --user "$(id -u):$(id -g)" -v "$PWD/out:/out" ablations                   the main job, into ./out
# docker run --rm ... ablations -m sweeps=smoke                                             another sweep
# docker run --rm ... --entrypoint ablation-analysis ablations                              what its claims earned
FROM python:3.13-slim

WORKDIR /program
# What it needs changes less often than the program: a layer of its own.
COPY requirements.lock ./
RUN pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY conf conf
COPY sweeps sweeps
COPY hydra_plugins hydra_plugins
COPY runner runner
COPY analysis analysis
RUN pip install --no-cache-dir --no-deps --no-build-isolation . \
    && install --directory --owner=1000 --group=1000 /out

# Any user may run it, also one without an account there: caches go to /tmp. Where it may not download MNIST,
# a folder of its four files is mounted: -v DIR:/mnist:ro -e MNIST_ROOT=/mnist
USER 1000:1000
ENV HOME=/tmp USER=trainer
# What is trained, and the report, lie where the command is typed.
WORKDIR /out
ENTRYPOINT ["ablation-runner"]
CMD ["-m", "model.channels=1,30", "model.dropout=true,false"]

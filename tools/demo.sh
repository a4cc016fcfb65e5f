#!/usr/bin/env bash
# Generate a project and take it the whole way on this machine: AWS emulator, image, run, model.
set -euo pipefail
cd "$(dirname "$0")/.."

engine=$(bash tools/engine.sh)
eval "$engine"
export DOCKER BASE_IMAGE CA_BUNDLE

# What tests and linters leave in the working tree is no part of the template.
find '{{cookiecutter.project_slug}}' \( -name __pycache__ -o -name '.*_cache' \) -prune -exec rm -rf {} +
folder=$(mktemp -d -t ecs-training-XXXXXX)
.venv/bin/cookiecutter . --no-input --output-dir "$folder" framework="$FRAMEWORK"
project=$folder/churn-model
echo "generated $project ($FRAMEWORK)"
# What the project is told here, its user would write into .env.
printf '%s\n' "DOCKER = $DOCKER" "BASE_IMAGE = $BASE_IMAGE" "CA_BUNDLE = $CA_BUNDLE" > "$project/.env"
trap 'make -C "$project" sandbox-stop' EXIT
make -C "$project" rehearse
echo
echo "The project is in $project. From there, without an AWS account: make rehearse ARGS=\"--max-depth 6\""
echo "With one: make cluster && make push && make data && make run ARGS=\"--max-depth 6\""

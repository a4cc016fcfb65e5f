#!/usr/bin/env bash
# Write every lock file of this repository anew: newest versions, hashes, no index named.
set -euo pipefail
cd "$(dirname "$0")/.."
uv=$PWD/.venv/bin/uv
python=$PWD/.venv/bin/python
project=$PWD/'{{cookiecutter.project_slug}}'
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

compile() {
  "$uv" pip compile --quiet --upgrade --universal --generate-hashes --no-annotate --custom-compile-command "make lock" "$@"
}

compile pyproject.toml --group dev --output-file requirements-dev.txt
# PyPI has the AWS CLI v2 only as a part of this package, which would drag in 200 MB of others.
echo aws-cdk-asset-awscli-v2 | "$uv" pip compile --quiet --no-deps --generate-hashes --no-annotate \
  --custom-compile-command "make lock" - --output-file tests/awscli-v2.txt
compile --no-config --python-version 3.11 "$project/sandbox/requirements.in" --output-file "$project/sandbox/requirements.txt"
for framework in xgboost scikit-learn; do
  .venv/bin/cookiecutter . --no-input --output-dir "$folder/$framework" framework="$framework"
  cd "$folder/$framework/churn-model"
  PROJECT=churn-model REGION=us-east-1 "$python" -m ecs lock
  for name in requirements*.txt; do
    cp "$name" "$project/{% if cookiecutter.framework == \"$framework\" %}$name{% endif %}"
  done
  cd - > /dev/null
done

#!/usr/bin/env bash
# Put the locked packages into .venv, with nothing but Python at hand.
set -euo pipefail
python=${PYTHON:-python3}

if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
  echo "error: Python 3.11 or newer is needed; type: make PYTHON=python3.13 …" >&2
  exit 1
fi
if ! "$python" -c 'import ensurepip, venv' 2> /dev/null; then
  if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    echo "installing python3-venv from Debian's packages: this Python comes without venv" >&2
    apt-get update > /dev/null
    DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends python3-venv ca-certificates > /dev/null
  else
    echo "error: $python has no venv module; install it (Debian: apt-get install python3-venv)" >&2
    exit 1
  fi
fi
echo "installing the locked packages into .venv" >&2
"$python" -m venv --clear .venv
sed -n '/^uv==/,/[^\\]$/p' requirements-dev.txt > .venv/uv.txt
.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt
.venv/bin/uv pip install --quiet --python .venv/bin/python --require-hashes -r requirements-dev.txt

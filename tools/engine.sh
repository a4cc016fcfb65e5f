#!/usr/bin/env bash
# Find a container engine that answers and a client that builds with BuildKit; on Debian and Ubuntu,
# as root, install and start one when there is none, saying so first. Prints, for `eval`:
# DOCKER (path of the client), BASE_IMAGE and CA_BUNDLE (for builds on this machine).
set -euo pipefail
project=$(dirname "$0")/../'{{cookiecutter.project_slug}}'

say() { echo "$*" >&2; }

# The client may be there without buildx, and then it cannot build.
builds() { DOCKER_BUILDKIT=1 "$1" build --help > /dev/null 2>&1; }
answers() { "$1" version > /dev/null 2>&1; }

on_debian() { [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; }

client() {
  local found
  while read -r found; do
    if builds "$found"; then
      echo "$found"
      return
    fi
  done < <(
    [ -z "${DOCKER:-}" ] || command -v "$DOCKER" || true
    type -ap docker || true
  )
}

install_packages() {
  local log wanted=() package
  log=$(mktemp)
  apt-get update > "$log" 2>&1 || true
  for package in "$@"; do
    # docker-cli and docker-buildx are packages of their own from Debian 13 on
    if apt-cache show "$package" > /dev/null 2>&1; then wanted+=("$package"); fi
  done
  if ! DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "${wanted[@]}" >> "$log" 2>&1; then
    tail -n 20 "$log" >&2
    say "error: apt-get install ${wanted[*]} failed; its words are above"
    exit 1
  fi
  rm -f "$log"
}

start_engine() {
  say "starting the container engine"
  if [ -d /run/systemd/system ]; then
    systemctl start docker
  else
    # What a killed engine leaves behind; its process ids may belong to others by now.
    local file pid
    for file in /var/run/docker.pid /var/run/docker/containerd/containerd.pid; do
      pid=$(cat "$file" 2> /dev/null || true)
      if [ -n "$pid" ] && ! grep -qsE '^(dockerd|containerd)$' "/proc/$pid/comm"; then rm -f "$file"; fi
    done
    setsid nohup dockerd > /var/log/dockerd.log 2>&1 < /dev/null &
  fi
  local _
  for _ in $(seq 60); do
    if answers "$1"; then return; fi
    sleep 0.5
  done
  say "error: the container engine does not start; its log: /var/log/dockerd.log (or journalctl -u docker)"
  exit 1
}

docker=$(client)
if [ -z "$docker" ]; then
  if ! on_debian; then
    say "error: no container engine that can build; install Docker Engine 23 or newer with buildx"
    say "       (macOS: Docker Desktop; Linux: your distribution's docker packages), start it, and try again"
    exit 1
  fi
  say "installing Docker Engine from Debian's packages: none answers on this machine"
  install_packages docker.io docker-cli docker-buildx iptables
  hash -r
  docker=$(client)
fi
if ! answers "$docker"; then
  if [ "$(id -u)" != 0 ] || ! command -v dockerd > /dev/null; then
    say "error: $docker gets no answer from a container engine; start it and try again"
    exit 1
  fi
  start_engine "$docker"
fi

base=${BASE_IMAGE:-python:3.13-slim}
if ! "$docker" image inspect "$base" > /dev/null 2>&1 && ! "$docker" pull --quiet "$base" > /dev/null 2>&1; then
  say "$base cannot be pulled here: a base image from Debian's packages stands in"
  base=python-debian:3.13
  if ! "$docker" image inspect "$base" > /dev/null 2>&1 && ! command -v debootstrap > /dev/null && on_debian; then
    say "installing debootstrap from Debian's packages"
    install_packages debootstrap
  fi
  DOCKER=$docker bash "$project/sandbox/base-image.sh" "$base" >&2
fi

# Where Python trusts a certificate bundle of its own, a proxy inspects the traffic, in builds too.
printf 'DOCKER=%q BASE_IMAGE=%q CA_BUNDLE=%q\n' "$docker" "$base" "${CA_BUNDLE:-${SSL_CERT_FILE:-}}"

#!/usr/bin/env bash
# Installs the clients that are not ours, for tests/foreign: KurrentDB's official ones for Python and Node, and a mail server. Does nothing where they are
# there; fails where they cannot be had.
set -euo pipefail
cd "$(dirname "$0")/.."
home="${CARGO_TARGET_DIR:-target}/foreign"
mkdir -p "$home"
exec 9>"$home/lock"
flock 9

install() {
  if [ "$(id -u)" = 0 ]; then apt-get update && apt-get install -y "$@"; else
    sudo apt-get update && sudo apt-get install -y "$@"; fi
}
python3 -c 'import venv, ensurepip' 2>/dev/null || install python3 python3-venv
command -v node >/dev/null || install nodejs
command -v npm >/dev/null || install npm
if [ "$(node -p 'process.versions.node.split(".")[0]')" -lt 20 ]; then
  echo "KurrentDB's client needs Node 20 or later, and this is $(node --version)" >&2
  exit 1
fi

wanted="$(cat tests/foreign/requirements.txt tests/foreign/package-lock.json | cksum)"
[ "$(cat "$home/installed" 2>/dev/null)" = "$wanted" ] && exit 0
python3 -m venv "$home/python"
"$home/python/bin/pip" install --quiet --disable-pip-version-check -r tests/foreign/requirements.txt
mkdir -p "$home/node"
cp tests/foreign/package.json tests/foreign/package-lock.json "$home/node/"
npm ci --prefix "$home/node" --no-audit --no-fund --silent
printf '%s' "$wanted" >"$home/installed"

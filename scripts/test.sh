#!/usr/bin/env bash
# Everything that must hold, from a clean checkout: formatting, lints, documentation, every test, a short load run.
#   ./scripts/test.sh            all of it
#   MARQUEE_CRASH_ROUNDS=200 MARQUEE_SIM_COMMANDS=4000000 ./scripts/test.sh    the long form
set -euo pipefail
cd "$(dirname "$0")/.."

say() { printf '\n== %s\n' "$*"; }

if ! command -v cc >/dev/null; then
  say "installing a C compiler (SQLite and the crypto library are built from source)"
  if [ "$(id -u)" = 0 ]; then apt-get update && apt-get install -y gcc libc6-dev; else
    sudo apt-get update && sudo apt-get install -y gcc libc6-dev; fi
fi
if ! command -v strace >/dev/null; then
  say "installing strace (one test breaks the disk under the real server)"
  if [ "$(id -u)" = 0 ]; then apt-get update && apt-get install -y strace; else
    sudo apt-get update && sudo apt-get install -y strace; fi
fi
if ! compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null || ! command -v setpriv >/dev/null || ! command -v pgrep >/dev/null; then
  say "installing PostgreSQL (the tests run private servers of it)"
  if [ "$(id -u)" = 0 ]; then sudo() { "$@"; }; fi
  sudo mkdir -p /etc/postgresql-common
  # No server of the system's own.
  [ -e /etc/postgresql-common/createcluster.conf ] || echo "create_main_cluster = false" | sudo tee /etc/postgresql-common/createcluster.conf >/dev/null
  sudo apt-get update
  sudo apt-get -o Dpkg::Options::=--force-confold install -y postgresql util-linux procps
  unset -f sudo
fi
for component in rustfmt clippy; do
  cargo "${component/rustfmt/fmt}" --version >/dev/null 2>&1 || rustup component add "$component"
done

# The message bus is tested against a real NATS server: a private one, which the tests start and stop themselves.
if ! command -v nats-server >/dev/null && [ ! -x /usr/sbin/nats-server ]; then
  say "installing nats-server (its service is not wanted: the tests run their own)"
  if [ "$(id -u)" = 0 ]; then apt-get update && apt-get install -y --no-install-recommends nats-server; else
    sudo apt-get update && sudo apt-get install -y --no-install-recommends nats-server; fi
fi

say "KurrentDB's clients for Python and Node (installed where they are missing)"
scripts/foreign-clients.sh

say "rustfmt"
cargo fmt --all --check

say "clippy"
cargo clippy --workspace --all-targets --locked -- -D warnings

say "documentation"
RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps --locked --quiet

say "tests"
cargo test --workspace --locked

say "the black-box suite on the production backends: the log behind KurrentDB's protocol, bookings in PostgreSQL, messages to NATS"
MARQUEE_TEST_EVENT_STORE=kurrentdb MARQUEE_TEST_READ_MODEL=postgres MARQUEE_TEST_MESSAGES=nats \
  cargo test --workspace --test blackbox --locked

say "a short load run, which checks that no seat is sold twice"
# Built for the checks, not for the figures: link-time optimisation would take minutes more.
CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 cargo build --release --locked -p marquee -p marquee-load
built="${CARGO_TARGET_DIR:-target}/release"
"$built/marquee-load" --marquee "$built/marquee" --seconds 2 --shows 50
"$built/marquee-load" --marquee "$built/marquee" --seconds 2 --shows 50 --scenario production

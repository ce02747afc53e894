# Shared by the scripts: where things are, and how what is missing is installed. Sourced, not run.
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root" || exit 1
export SWIFT_BACKTRACE=enable=no LC_ALL=C.UTF-8

say() { printf '%s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

# Debian packages for running, or with "test" for testing too.
packages() {
  awk -v kind="${1:-}" '/^#/ || NF == 0 { next } NF == 1 || $2 == kind { print $1 }' scripts/packages
}

installed() { dpkg-query -W -f='${Status}' "$1" 2>/dev/null | grep -q '^install ok installed'; }

# Installs what is missing, or names it and the command that installs it.
need_packages() {
  local missing=()
  command -v dpkg-query >/dev/null || { say "Not a Debian system: these must be there by other means: $(packages "${1:-}" | xargs)"; return; }
  for package in $(packages "${1:-}"); do installed "$package" || missing+=("$package"); done
  [ ${#missing[@]} -eq 0 ] && return
  local install="apt-get install --yes --no-install-recommends ${missing[*]}"
  say "Installing ${missing[*]}"
  if [ "$(id -u)" -eq 0 ]; then
    { apt-get update --quiet --quiet && DEBIAN_FRONTEND=noninteractive $install >"${TMPDIR:-/tmp}/latchkey-apt.log" 2>&1; } \
      || fail "That failed; see ${TMPDIR:-/tmp}/latchkey-apt.log, or run it yourself: apt-get update && $install"
  elif command -v sudo >/dev/null && sudo -n true 2>/dev/null; then
    { sudo apt-get update --quiet --quiet && sudo DEBIAN_FRONTEND=noninteractive $install >/dev/null; } \
      || fail "That failed. Run it yourself: sudo apt-get update && sudo $install"
  else
    fail "Missing: ${missing[*]}. Install them and start again: sudo apt-get update && sudo $install"
  fi
}

need_swift() {
  command -v swift >/dev/null \
    || fail "There is no Swift toolchain. Install Swift 6.3 from https://www.swift.org/install/linux/ and put it on PATH."
}

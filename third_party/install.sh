#!/usr/bin/env bash
# Installs the packages of packages.txt that are missing.   third_party/install.sh build run [test]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

names() {  # names COLUMN PURPOSE...: the package names in that column for those purposes
  local column=$1
  shift
  awk -v column="$column" -v purposes=" $* " '/^#/ || NF == 0 {next} index(purposes, " " $2 " ") && $column != "-" {print $column}' \
    "$here/packages.txt" | sort -u
}

if command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; then
  mapfile -t wanted < <(names 1 "$@")
  mapfile -t missing < <(comm -23 <(printf '%s\n' "${wanted[@]}" | sort) \
    <(dpkg-query -W -f='${Package} ${db:Status-Status}\n' "${wanted[@]}" 2>/dev/null | awk '$2 == "installed" {print $1}' | sort))
  [ ${#missing[@]} -eq 0 ] && exit 0
  echo "Installing ${#missing[@]} packages: ${missing[*]}"
  as_root=()
  if [ "$(id -u)" -ne 0 ]; then
    if ! command -v sudo >/dev/null; then
      echo "These packages are missing and there is no sudo here. As root, run:" >&2
      echo "  apt-get install ${missing[*]}" >&2
      exit 1
    fi
    as_root=(sudo)
  fi
  "${as_root[@]}" apt-get update -qq
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
  exit 0
fi

# Elsewhere: say what to install when something the build needs is not there.
if command -v cmake >/dev/null && command -v ninja >/dev/null && command -v pkg-config >/dev/null &&
   pkg-config --exists epoxy glfw3 cairo libpng freetype2 fontconfig 2>/dev/null; then
  exit 0
fi
if command -v dnf >/dev/null; then
  echo "Please install what Headroom is built from:  sudo dnf install $(names 3 "$@" | tr '\n' ' ')" >&2
elif command -v pacman >/dev/null; then
  echo "Please install what Headroom is built from:  sudo pacman -S --needed $(names 4 "$@" | tr '\n' ' ')" >&2
elif [ "$(uname)" = Darwin ]; then
  echo "Please install what Headroom is built from:  brew install $(names 5 "$@" | tr '\n' ' ')" >&2
else
  echo "Please install what Headroom is built from; third_party/packages.txt lists it by the names of Debian, Fedora, Arch and Homebrew." >&2
fi
exit 1

#!/bin/bash
# Unpacks Debian's packages for arm64 of what nigh stands on into FOLDER. Nothing of this machine's own
# packages changes: apt is asked as if it were another machine.
#
# usage: packages.sh FOLDER
set -euo pipefail
folder=${1:?usage: packages.sh FOLDER}
mkdir -p "$folder/apt/lists/partial" "$folder/apt/archives/partial" "$folder/root"
: >"$folder/apt/status"
foreign_apt() {
  apt-get -o APT::Architecture=arm64 -o APT::Architectures::=arm64 -o Dir::State::Status="$folder/apt/status" \
    -o Dir::State::Lists="$folder/apt/lists" -o Dir::Cache="$folder/apt" -o Debug::NoLocking=1 \
    -o APT::Sandbox::User=root --quiet "$@"
}
foreign_apt update
foreign_apt install --yes --no-install-recommends --download-only \
  libc6-dev libstdc++-12-dev libprotobuf-dev libabsl-dev libgtest-dev libgmock-dev
for package in "$folder"/apt/archives/*.deb; do dpkg-deb --extract "$package" "$folder/root"; done
# Where Debian's packages have all of it under /usr.
[[ -e "$folder/root/lib" ]] || ln -s usr/lib "$folder/root/lib"

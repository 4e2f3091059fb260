#!/bin/bash
# In a Debian of its own with nothing of this tree: the packages are installed, and README's program is
# built against them and run, with CMake and without.
#
# usage: debian.sh RELEASE [PACKAGES]
#
# PACKAGES is a folder of what `./dev package` has made; without it, they are made there, with that
# release's compiler and libraries. Needs root, and a mirror that serves RELEASE.
set -euo pipefail
tree=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)
release=${1:?usage: debian.sh RELEASE [PACKAGES]}
packages=${2:-}
# Whatever mirror this machine uses.
# shellcheck disable=SC2016 # apt's variable
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | grep -v security | head -n 1)
root=$(mktemp -d)
chmod 755 "$root"
trap 'rm -rf --one-file-system "$root"' EXIT

# What runs in the other Debian, with a /proc and processes of its own.
inside() {
  # shellcheck disable=SC2016 # the inner shell's arguments
  unshare --mount --pid --fork bash -c \
    'mount -t proc proc "$0/proc" && mount --bind /dev "$0/dev" && exec chroot "$0" "$@"' "$root" \
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive "$@"
}
install() { inside apt-get install --yes --no-install-recommends "$@" >/dev/null; }

echo "debian: $release from $mirror"
debootstrap --variant=minbase "$release" "$root" "$mirror" >"$root.log" || {
  tail -n 20 "$root.log"
  exit 1
}
rm "$root.log"
mkdir "$root/packages"
if [[ -n "$packages" ]]; then
  cp "$packages"/*.deb "$root/packages/"
else
  mkdir "$root/nigh"
  (cd "$tree" && git ls-files -z | xargs -0 cp --parents --no-dereference -t "$root/nigh")
  install build-essential
  inside bash -ec 'cd /nigh && apt-get build-dep --yes --no-install-recommends . >/dev/null &&
    DEB_CXXFLAGS_APPEND=-g0 DEB_BUILD_OPTIONS=noautodbgsym dpkg-buildpackage -b -us -uc >/build.log 2>&1' || {
    tail -n 60 "$root/build.log"
    exit 1
  }
  mv "$root"/*.deb "$root/packages/"
fi

# README's program, as its reader has it.
mkdir "$root/hello"
for file in hello.proto server.cc client.cc CMakeLists.txt build.sh; do
  "$tree/tests/install/readme_file.sh" "$file" >"$root/hello/$file"
done
cat >"$root/hello/try.sh" <<'END'
set -ex
program=$1
"$program/server" &
[[ "$("$program/client")" == "hello world" ]]
kill $!
wait $!
END
# What they depend on is known by the list of them alone.
install libabsl-dev libprotobuf-dev protobuf-compiler g++ cmake make pkgconf
inside bash -c 'dpkg -i /packages/*.deb'
# shellcheck disable=SC2016 # the inner shell's variable
inside bash -exc 'g++ --version | head -n 1; protoc --version; dpkg-query --show "libabsl*" "libprotobuf*" "*nigh*"
  cd /hello && cmake -S . -B build && cmake --build build && bash try.sh build
  bash -ex build.sh && bash try.sh .
  man=/usr/share/man/man1/protoc-gen-nigh.1.gz; test -s "$man"'
echo "debian: $release: passed"

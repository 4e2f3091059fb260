#!/bin/bash
# In a Debian of its own with nothing of this tree: the packages are installed, and README's program is
# built against them and run, with CMake and without.
#
# usage: debian.sh RELEASE [PACKAGES]
#
# PACKAGES is a folder of what `./dev package` has made, on a machine of that release; without it, they
# are made there, with that release's compiler and libraries. Needs root, and a mirror that serves
# RELEASE: MIRROR, or the one that this machine has its packages from.
set -euo pipefail
# What is mounted in the other Debian goes with this script, however it ends.
[[ -v NIGH_MOUNTS_ARE_PRIVATE ]] || exec env NIGH_MOUNTS_ARE_PRIVATE=1 unshare --mount "$0" "$@"
tree=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)
release=${1:?usage: debian.sh RELEASE [PACKAGES]}
packages=${2:-}
# shellcheck disable=SC2016 # apt's variables
mirror=${MIRROR:-$(apt-get indextargets --format '$(ORIGIN) $(REPO_URI)' 'Created-By: Packages' |
  awk '$1 == "Debian" && !/security/ && !found++ {print $2}')}
[[ -n "$mirror" ]] || {
  echo "debian.sh: no mirror of Debian is known here; name one: MIRROR=http://..." >&2
  exit 1
}
root=$(mktemp -d)
# Its users are others.
chmod 755 "$root"
trap 'rm -rf --one-file-system "$root" || echo "debian.sh: something is left in $root" >&2' EXIT

# inside COMMAND: in the other Debian, with a /proc, a /dev/shm and processes of its own.
inside() {
  # shellcheck disable=SC2016 # the inner shell's arguments
  unshare --mount --pid --fork --kill-child bash -ec \
    'mount -t proc proc "$0/proc"
    mount --rbind /dev "$0/dev"
    mount -t tmpfs tmpfs "$0/dev/shm"
    exec chroot "$0" "$@"' "$root" \
    env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
    ${http_proxy:+"http_proxy=$http_proxy"} "$@"
}
# logged COMMAND: says what it has said only if it fails.
logged() {
  "$@" >"$root/log" 2>&1 || {
    tail -n 60 "$root/log"
    echo "debian: $release: FAILED: $*"
    exit 1
  }
}
install() { logged inside apt-get install --yes --no-install-recommends "$@"; }

echo "debian: $release from $mirror"
logged debootstrap --variant=minbase "$release" "$root" "$mirror"
mkdir "$root/packages"
if [[ -n "$packages" ]]; then
  cp "$packages"/*.deb "$root/packages/"
else
  mkdir "$root/nigh"
  (cd "$tree" && git ls-files -z | xargs -0 cp --parents --no-dereference -t "$root/nigh")
  install build-essential
  logged inside bash -ec 'cd /nigh
    apt-get build-dep --yes --no-install-recommends .
    NIGH_UNITY_BUILD=ON DEB_CXXFLAGS_APPEND=-g0 DEB_BUILD_OPTIONS=noautodbgsym dpkg-buildpackage -b -us -uc'
  mv "$root"/*.deb "$root/packages/"
fi

# README's program, as its reader has it.
mkdir "$root/hello"
for file in hello.proto server.cc client.cc CMakeLists.txt build.sh; do
  "$tree/tests/install/readme_file.sh" "$file" >"$root/hello/$file"
done
cat >"$root/hello/try.sh" <<'END'
"$1/server" &
said=$("$1/client")
kill $!
wait $!
[[ "$said" == "hello world" ]]
END
# What its reader has. What the packages depend on comes after them, by the list of it that they have.
install g++ cmake make pkgconf
inside bash -c 'dpkg -i /packages/*.deb' || install --fix-broken
inside dpkg --audit
# One command a line: what fails ends it.
inside bash -euxo pipefail -c 'g++ --version
  protoc --version
  dpkg-query --show "libabsl2*" "libprotobuf*" "*nigh*"
  test -s /usr/share/man/man1/protoc-gen-nigh.1.gz
  cd /hello
  cmake -S . -B build
  cmake --build build
  bash -euxo pipefail try.sh build
  bash -euxo pipefail build.sh
  bash -euxo pipefail try.sh .'
echo "debian: $release: passed"

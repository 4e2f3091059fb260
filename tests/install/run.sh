#!/bin/bash
# Installs nigh by CMake into a fresh prefix and builds programs against it, outside the tree, as its
# users do. Each case is a function below; its first command that fails ends it.
#
# usage: run.sh RESULTS [CASE...]: writes a line "CASE EXIT_CODE" for each into RESULTS
set -euo pipefail
tree=$(cd "$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")/../.." && pwd)
readonly tree
here=$tree/tests/install
readonly here
# The build stays, for the next time; all else is made anew.
readonly build=$tree/.cache/cmake
scratch=$(mktemp -d)
readonly scratch prefix=$scratch/prefix
trap 'rm -rf "$scratch"' EXIT
# A program may run as another user, and loads the library.
chmod 755 "$scratch"
# FetchContent compiles the same sources once more, elsewhere. Where that is makes no difference.
export CCACHE_NOHASHDIR=1
export CMAKE_GENERATOR=Ninja

configure() { # SOURCE BUILD [ARGS]
  cmake -S "$1" -B "$2" -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_COMPILER_LAUNCHER=ccache "${@:3}"
}

# All of nigh, folder by folder, in a quarter of the time; Bazel compiles each file by itself.
configure_nigh() { configure "$@" -DCMAKE_UNITY_BUILD=ON; }

readme_file() { "$here/readme_file.sh" "$1"; }

# A folder with the README's program.
quick_start() {
  mkdir -p "$1"
  local file
  for file in hello.proto server.cc client.cc; do readme_file "$file" >"$1/$file"; done
}

# try_quick_start FOLDER: its server and its client, two processes, meet over local:.
try_quick_start() {
  local server said
  "$1/server" &
  server=$!
  said=$("$1/client") || true
  kill "$server"
  wait "$server" || {
    echo "the server ended with $?"
    return 1
  }
  [[ "$said" == "hello world" ]] || {
    echo "the client said \"$said\""
    return 1
  }
}

# Everything is built, and installed where nothing was.
case_install() {
  configure_nigh "$tree" "$build" -DCMAKE_EXPORT_COMPILE_COMMANDS=ON "-DCMAKE_INSTALL_PREFIX=$prefix"
  cmake --build "$build"
  cmake --install "$build" >/dev/null
}

# What Bazel compiles into nigh and CMake does not, or the other way round.
case_sources() {
  python3 "$here/sources.py" "$build/compile_commands.json"
}

# What the shared library lets others see is what cmake/exported_symbols.txt lists.
case_symbols() {
  "$tree/cmake/exported_symbols.sh" "$build/libnigh.so" >"$scratch/symbols"
  diff -u "$tree/cmake/exported_symbols.txt" "$scratch/symbols" || {
    echo "exported symbols: additions are listed by cmake/exported_symbols.sh; what goes breaks programs"
    return 1
  }
}

# by_cmake NAME [ARGS]: the README's program by its CMakeLists.txt, against what is installed.
by_cmake() {
  local folder=$scratch/$1
  quick_start "$folder"
  readme_file CMakeLists.txt >"$folder/CMakeLists.txt"
  configure "$folder" "$folder/build" "-DCMAKE_PREFIX_PATH=$prefix" -DCMAKE_CXX_FLAGS="-Wall -Wextra -Werror" "${@:2}"
  cmake --build "$folder/build"
  try_quick_start "$folder/build"
}

case_cmake() { by_cmake cmake; }
case_cmake_cxx23() { by_cmake cmake_cxx23 -DCMAKE_CXX_STANDARD=23; }
case_cmake_clang14() { by_cmake cmake_clang14 -DCMAKE_CXX_COMPILER=clang++-14; }
case_cmake_clang19() { by_cmake cmake_clang19 -DCMAKE_CXX_COMPILER=clang++-19; }
case_cmake_clang19_cxx23() { by_cmake cmake_clang19_cxx23 -DCMAKE_CXX_COMPILER=clang++-19 -DCMAKE_CXX_STANDARD=23; }

# build_and_test SOURCE BUILD: a project with tests of its own.
build_and_test() {
  configure "$1" "$2" "-DCMAKE_PREFIX_PATH=$prefix"
  cmake --build "$2"
  ctest --test-dir "$2" --output-on-failure
}

# project NAME: one of several folders, with imports and mocks. What an import says is generated anew
# once it has changed.
project() {
  local folder=$scratch/$1
  cp -r "$tree/examples/consumer" "$folder"
  build_and_test "$folder" "$folder/build"
  sed -i 's/^message Item {/&\n  int32 weight = 99;/' "$folder/catalogue/item.proto"
  sed -i 's/item.set_name("pencil");/& item.set_weight(7);/' "$folder/shop.cc"
  grep 'weight = 99' "$folder/catalogue/item.proto"
  grep 'set_weight(7)' "$folder/shop.cc"
  cmake --build "$folder/build"
  ctest --test-dir "$folder/build" --output-on-failure
}

# Where nothing has changed, nothing is done.
case_cmake_project() {
  project project
  cmake --build "$scratch/project/build" | grep 'no work to do'
}
case_cmake_makefiles() { CMAKE_GENERATOR="Unix Makefiles" project makefiles; }

# A test of a program, on media on which things go wrong: nigh::testing, with the static library.
case_cmake_testing() {
  local folder=$scratch/testing
  cp -r "$here/testing" "$folder"
  build_and_test "$folder" "$folder/build"
}

# All examples, against what is installed; those with a script are run by it.
case_examples() { build_and_test "$tree/examples" "$scratch/examples"; }

# A component that is not there, and a version that is not this one, are said to be.
case_cmake_refusals() {
  local folder=$scratch/refusals version=$scratch/version
  mkdir -p "$folder" "$version"
  printf 'cmake_minimum_required(VERSION 3.22)\nproject(p CXX)\nfind_package(nigh REQUIRED COMPONENTS gateway)\n' \
    >"$folder/CMakeLists.txt"
  printf 'cmake_minimum_required(VERSION 3.22)\nproject(p CXX)\nfind_package(nigh 9.0 REQUIRED)\n' \
    >"$version/CMakeLists.txt"
  if configure "$folder" "$folder/build" "-DCMAKE_PREFIX_PATH=$prefix" >"$scratch/refused" 2>&1; then return 1; fi
  grep gateway "$scratch/refused"
  if configure "$version" "$version/build" "-DCMAKE_PREFIX_PATH=$prefix" >"$scratch/refused" 2>&1; then return 1; fi
  grep 'requested version "9.0"' "$scratch/refused"
}

# The program with nigh's tree as a part of its own build.
case_fetch_content() {
  local folder=$scratch/fetch
  quick_start "$folder"
  {
    printf 'cmake_minimum_required(VERSION 3.22)\nproject(hello CXX)\ninclude(FetchContent)\n'
    printf 'FetchContent_Declare(nigh SOURCE_DIR "%s")\nFetchContent_MakeAvailable(nigh)\n' "$tree"
    readme_file CMakeLists.txt | sed '/^cmake_minimum\|^project\|^find_package/d'
  } >"$folder/CMakeLists.txt"
  configure_nigh "$folder" "$folder/build"
  cmake --build "$folder/build"
  try_quick_start "$folder/build"
}

# The lines that the README has for who uses no build system.
case_no_build_system() {
  local folder=$scratch/no_build_system
  quick_start "$folder"
  readme_file build.sh >"$folder/build.sh"
  (cd "$folder" && PATH=$prefix/bin:$PATH PKG_CONFIG_PATH=$prefix/lib/pkgconfig bash -ex build.sh)
  LD_LIBRARY_PATH=$prefix/lib try_quick_start "$folder"
}

# Debian packages that lintian finds in order; unpacked, they are enough for README's program.
# tests/install/debian.sh installs them into a Debian that has nothing else.
case_packages() {
  local folder=$scratch/packages root=$scratch/root package
  NIGH_UNITY_BUILD=ON "$tree/dev" package "$folder"
  # debian/changelog and nigh/version.h agree.
  ls "$folder/libnigh0_$(sed -n 's/^Version: //p' "$prefix/lib/pkgconfig/nigh.pc")-1_$(dpkg --print-architecture).deb"
  for package in "$folder"/*.deb; do dpkg-deb --extract "$package" "$root"; done
  by_cmake from_packages "-DCMAKE_PREFIX_PATH=$root/usr"
}

# For another machine: built, and some tests and README's program run under an emulator.
case_aarch64() {
  "$here/aarch64/packages.sh" "$scratch/arm64"
  export NIGH_AARCH64_ROOT=$scratch/arm64/root
  quick_start "$scratch/hello"
  configure_nigh "$here/aarch64" "$scratch/aarch64" "-DCMAKE_TOOLCHAIN_FILE=$here/aarch64/toolchain.cmake" \
    "-DNIGH_PROTOC_GEN_NIGH=$build/protoc-gen-nigh" "-DHELLO=$scratch/hello"
  cmake --build "$scratch/aarch64"
  ctest --test-dir "$scratch/aarch64" --output-on-failure --parallel 2
  local program
  mkdir "$scratch/emulated"
  for program in server client; do
    printf '#!/bin/sh\nexec qemu-aarch64 -L "%s" "%s"\n' "$NIGH_AARCH64_ROOT" "$scratch/aarch64/$program" \
      >"$scratch/emulated/$program"
    chmod +x "$scratch/emulated/$program"
  done
  try_quick_start "$scratch/emulated"
}

# With pkg-config and make, shared and static.
case_make() {
  local folder=$scratch/make
  quick_start "$folder"
  cp "$here/Makefile" "$folder/"
  export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
  make -C "$folder" server client
  LD_LIBRARY_PATH=$prefix/lib try_quick_start "$folder"
  make -C "$folder" clean
  make -C "$folder" STATIC=1 server client
  try_quick_start "$folder"
}

mapfile -t cases < <(sed -n 's/^case_\([a-z0-9_]*\)() .*/\1/p' "${BASH_SOURCE[0]}")
results=${1:?usage: run.sh RESULTS [CASE...]}
shift
(($#)) && cases=(install "$@")
: >"$results"
for name in "${cases[@]}"; do
  began=$SECONDS
  # What fails in the midst of a case ends it; after || or in an if, it would not.
  set +e
  (set -e; "case_$name") >"$scratch/$name.log" 2>&1 </dev/null
  code=$?
  set -e
  ((code == 0)) || tail -n 60 "$scratch/$name.log"
  echo "install: $name: $( ((code == 0)) && echo passed || echo FAILED) in $((SECONDS - began))s"
  echo "$name $code" >>"$results"
done

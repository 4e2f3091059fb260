# Debian's compiler for aarch64, the libraries that NIGH_AARCH64_ROOT names, and qemu to run programs.
set(CMAKE_SYSTEM_NAME Linux)
set(CMAKE_SYSTEM_PROCESSOR aarch64)
set(CMAKE_CXX_COMPILER aarch64-linux-gnu-g++)
set(CMAKE_LIBRARY_ARCHITECTURE aarch64-linux-gnu)
set(NIGH_AARCH64_ROOT "$ENV{NIGH_AARCH64_ROOT}")
if(NOT NIGH_AARCH64_ROOT)
  message(FATAL_ERROR "the environment's NIGH_AARCH64_ROOT is to name the folder of the libraries for "
                      "aarch64 (packages.sh makes one)")
endif()
set(CMAKE_SYSROOT "${NIGH_AARCH64_ROOT}")
# protoc and its plugin run here.
set(CMAKE_FIND_ROOT_PATH_MODE_PROGRAM NEVER)
set(CMAKE_FIND_ROOT_PATH_MODE_LIBRARY ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_INCLUDE ONLY)
set(CMAKE_FIND_ROOT_PATH_MODE_PACKAGE ONLY)
set(CMAKE_CROSSCOMPILING_EMULATOR "qemu-aarch64;-L;${NIGH_AARCH64_ROOT}")

# What nigh stands on: Abseil, Protobuf, threads. Read by nigh's own build and by those who depend on
# an installed nigh. A project that brings its own makes their targets first, and they are taken.

include(CMakeFindDependencyMacro)

if(NOT TARGET absl::status)
  find_dependency(absl CONFIG)
endif()
# Protobuf has a package of its own since it stands on Abseil itself; before, CMake's module finds it.
if(NOT TARGET protobuf::libprotobuf)
  find_package(protobuf CONFIG QUIET)
endif()
if(NOT TARGET protobuf::libprotobuf)
  find_dependency(Protobuf MODULE)
endif()
find_dependency(Threads)

# What make install puts where: libraries, headers, .proto files, the plugin; and what
# find_package(nigh) and pkg-config read.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(nigh_config_dir "${CMAKE_INSTALL_LIBDIR}/cmake/nigh")

install(DIRECTORY include/nigh DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT dev
        FILES_MATCHING PATTERN "*.h"
        PATTERN "testing" EXCLUDE)
install(FILES "${nigh_protos}/nigh/options.pb.h" "${nigh_protos}/nigh/fd.pb.h"
              proto/nigh/options.proto proto/nigh/fd.proto
        DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/nigh" COMPONENT dev)
if(NIGH_BUILD_TESTING)
  install(DIRECTORY include/nigh/testing DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}/nigh"
          COMPONENT dev FILES_MATCHING PATTERN "*.h")
endif()

# Each in a file of its own, so that a package may leave one out.
foreach(library IN LISTS nigh_libraries)
  install(TARGETS ${library} EXPORT ${library}
          LIBRARY DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT runtime NAMELINK_COMPONENT dev
          ARCHIVE DESTINATION "${CMAKE_INSTALL_LIBDIR}" COMPONENT dev
          INCLUDES DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}")
  install(EXPORT ${library} NAMESPACE nigh:: FILE "${library}.cmake"
          DESTINATION "${nigh_config_dir}" COMPONENT dev)
endforeach()
if(TARGET nigh_protoc_gen_nigh)
  install(TARGETS nigh_protoc_gen_nigh EXPORT nigh_codegen
          RUNTIME DESTINATION "${CMAKE_INSTALL_BINDIR}" COMPONENT dev)
  install(EXPORT nigh_codegen NAMESPACE nigh:: FILE nigh_codegen.cmake
          DESTINATION "${nigh_config_dir}" COMPONENT dev)
endif()

configure_package_config_file(
  cmake/nighConfig.cmake.in "${PROJECT_BINARY_DIR}/nighConfig.cmake"
  INSTALL_DESTINATION "${nigh_config_dir}"
  PATH_VARS CMAKE_INSTALL_INCLUDEDIR)
# Before 1.0 a minor version may break what is there (CHANGELOG.md).
write_basic_package_version_file("${PROJECT_BINARY_DIR}/nighConfigVersion.cmake"
                                 COMPATIBILITY SameMinorVersion)
configure_file(cmake/nigh.pc.in "${PROJECT_BINARY_DIR}/nigh.pc" @ONLY)
install(FILES "${PROJECT_BINARY_DIR}/nighConfig.cmake"
              "${PROJECT_BINARY_DIR}/nighConfigVersion.cmake"
              cmake/NighDependencies.cmake cmake/NighGenerate.cmake
        DESTINATION "${nigh_config_dir}" COMPONENT dev)
install(FILES "${PROJECT_BINARY_DIR}/nigh.pc"
        DESTINATION "${CMAKE_INSTALL_LIBDIR}/pkgconfig" COMPONENT dev)

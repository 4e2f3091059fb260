# The libraries: nigh::nigh, which is everything that a program needs to call and to serve over every
# transport, and nigh::testing.

# An include line is "nigh/" and the header's path in the tree; cmake/paths has the tree under it.
set(nigh_paths "${PROJECT_SOURCE_DIR}/cmake/paths")

# The messages that come with nigh, for .proto files to import.
set(nigh_protos "${PROJECT_BINARY_DIR}/protos")
set(nigh_messages)
foreach(file options fd)
  add_custom_command(
    OUTPUT "${nigh_protos}/nigh/${file}.pb.h" "${nigh_protos}/nigh/${file}.pb.cc"
    COMMAND ${CMAKE_COMMAND} -E make_directory "${nigh_protos}"
    COMMAND protobuf::protoc "--proto_path=${PROJECT_SOURCE_DIR}/proto" "--cpp_out=${nigh_protos}"
            "nigh/${file}.proto"
    DEPENDS "${PROJECT_SOURCE_DIR}/proto/nigh/${file}.proto"
    VERBATIM)
  list(APPEND nigh_messages "${nigh_protos}/nigh/${file}.pb.cc" "${nigh_protos}/nigh/${file}.pb.h")
endforeach()

file(GLOB nigh_sources CONFIGURE_DEPENDS
     "${PROJECT_SOURCE_DIR}/runtime/*/*.cc"
     "${PROJECT_SOURCE_DIR}/transports/*.cc"
     "${PROJECT_SOURCE_DIR}/transports/*/*.cc"
     "${PROJECT_SOURCE_DIR}/transports/*/*/*.cc")
file(GLOB nigh_testing_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/testing/*.cc")

# With CMAKE_UNITY_BUILD, the sources of a folder are compiled as one.
function(nigh_unite_folders target)
  foreach(source IN LISTS ARGN)
    get_filename_component(folder "${source}" DIRECTORY)
    # What is compiled is named after it, and a package is to be the same wherever it is made.
    file(RELATIVE_PATH folder "${PROJECT_SOURCE_DIR}" "${folder}")
    string(MAKE_C_IDENTIFIER "${folder}" folder)
    set_source_files_properties("${source}" PROPERTIES UNITY_GROUP "${folder}")
  endforeach()
  set_target_properties(${target} PROPERTIES UNITY_BUILD_MODE GROUP)
endfunction()

# What all of nigh's own code is compiled with.
add_library(nigh_build INTERFACE)
target_compile_features(nigh_build INTERFACE cxx_std_20)
target_compile_options(nigh_build INTERFACE -Wall -Wextra)
target_include_directories(nigh_build INTERFACE "${PROJECT_SOURCE_DIR}/include" "${nigh_paths}"
                                                "${nigh_protos}")
set(nigh_dependencies
    protobuf::libprotobuf
    absl::any_invocable
    absl::flat_hash_map
    absl::function_ref
    absl::inlined_vector
    absl::random_random
    absl::span
    absl::status
    absl::statusor
    absl::strings
    absl::time
    Threads::Threads)
target_link_libraries(nigh_build INTERFACE ${nigh_dependencies})

# Each source is compiled once, for both libraries.
add_library(nigh_objects OBJECT ${nigh_sources} ${nigh_messages})
nigh_unite_folders(nigh_objects ${nigh_sources})
target_link_libraries(nigh_objects PRIVATE nigh_build)
set_target_properties(nigh_objects PROPERTIES
  POSITION_INDEPENDENT_CODE ON
  CXX_VISIBILITY_PRESET hidden
  VISIBILITY_INLINES_HIDDEN ON)
# The table of all transports is in the library, where a weak reference would not bring it along.
target_compile_definitions(nigh_objects PRIVATE NIGH_HAS_ALL_TRANSPORTS)
target_compile_options(nigh_objects PRIVATE -fno-semantic-interposition)
# protoc's code says nothing of visibility, and all of it is for others.
set_source_files_properties(${nigh_messages} PROPERTIES COMPILE_OPTIONS -fvisibility=default)

# What a program sees: the public headers, and what they include.
function(nigh_public target)
  target_compile_features(${target} PUBLIC cxx_std_20)
  target_include_directories(${target} PUBLIC
    "$<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>"
    "$<BUILD_INTERFACE:${nigh_protos}>")
  target_link_libraries(${target} PUBLIC ${nigh_dependencies})
  # So that a .proto finds nigh/options.proto, and the messages are there before who includes them.
  set_target_properties(${target} PROPERTIES NIGH_IMPORT_DIRS "${PROJECT_SOURCE_DIR}/proto")
endfunction()

set(nigh_libraries)
if(NIGH_BUILD_STATIC)
  add_library(nigh_static STATIC $<TARGET_OBJECTS:nigh_objects>)
  nigh_public(nigh_static)
  set_target_properties(nigh_static PROPERTIES OUTPUT_NAME nigh)
  add_library(nigh::nigh_static ALIAS nigh_static)
  list(APPEND nigh_libraries nigh_static)
endif()
if(NIGH_BUILD_SHARED)
  add_library(nigh_shared SHARED $<TARGET_OBJECTS:nigh_objects>)
  nigh_public(nigh_shared)
  target_link_options(nigh_shared PRIVATE -Wl,--no-undefined)
  # Counts the changes of the ABI that are not additions; CONTRIBUTING.md says what they are.
  set_target_properties(nigh_shared PROPERTIES
    OUTPUT_NAME nigh
    VERSION ${PROJECT_VERSION}
    SOVERSION 0)
  add_library(nigh::nigh_shared ALIAS nigh_shared)
  list(APPEND nigh_libraries nigh_shared)
endif()
if(NOT nigh_libraries)
  message(FATAL_ERROR "nigh: neither NIGH_BUILD_STATIC nor NIGH_BUILD_SHARED is on")
endif()
# nigh::nigh is the last one: the shared library where there is one.
list(GET nigh_libraries -1 nigh_default)
add_library(nigh::nigh ALIAS ${nigh_default})

if(NIGH_BUILD_TESTING)
  if(NOT NIGH_BUILD_STATIC)
    message(FATAL_ERROR "nigh: NIGH_BUILD_TESTING needs NIGH_BUILD_STATIC: it stands on what the "
                        "shared library hides")
  endif()
  add_library(nigh_testing STATIC ${nigh_testing_sources})
  nigh_unite_folders(nigh_testing ${nigh_testing_sources})
  nigh_public(nigh_testing)
  target_link_libraries(nigh_testing PUBLIC nigh_static PRIVATE $<BUILD_INTERFACE:nigh_build>)
  set_target_properties(nigh_testing PROPERTIES EXPORT_NAME testing)
  add_library(nigh::testing ALIAS nigh_testing)
  list(APPEND nigh_libraries nigh_testing)
endif()

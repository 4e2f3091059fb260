# nigh_generate: .proto files become C++, with the stubs and service classes of their services.
#
#   nigh_generate(TARGET hello PROTOS hello.proto)
#   target_link_libraries(server PRIVATE hello)
#
# Makes the library TARGET, or adds to it if it is there already. It links nigh::nigh, so that
# nothing else is needed to call and to serve. Headers are included by the path of their .proto
# below BASE: "hello.nigh.h", which brings "hello.pb.h"; imports are written by the same path. What
# a .proto imports is generated anew when that changes.
#
#   TARGET name      the library
#   PROTOS file...   .proto files, with or without services
#   BASE folder      where their paths begin; this CMakeLists.txt's own folder unless said
#   DEPS target...   libraries made by nigh_generate, of the .proto files that these import
#   IMPORT_DIRS dir...  where else imports are looked for
#   MOCKS            also makes TARGET_mocks, with a gMock class for each service in
#                    "hello_mock.nigh.h"; GoogleTest's package has to be there
#   LIBRARY target   instead of nigh::nigh, say nigh::nigh_static
#
# google/protobuf/*.proto, nigh/options.proto and nigh/fd.proto can always be imported.
function(nigh_generate)
  cmake_parse_arguments(PARSE_ARGV 0 arg "MOCKS" "TARGET;BASE;LIBRARY" "PROTOS;DEPS;IMPORT_DIRS")
  if(NOT arg_TARGET OR NOT arg_PROTOS)
    message(FATAL_ERROR "nigh_generate: TARGET and PROTOS have to be given")
  endif()
  if(arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "nigh_generate(TARGET ${arg_TARGET}): unknown: ${arg_UNPARSED_ARGUMENTS}")
  endif()
  if(NOT arg_BASE)
    set(arg_BASE "${CMAKE_CURRENT_SOURCE_DIR}")
  endif()
  if(NOT arg_LIBRARY)
    set(arg_LIBRARY nigh::nigh)
  endif()
  get_filename_component(base "${arg_BASE}" ABSOLUTE)

  # A folder of its own, for two libraries may have files of the same name.
  set(out "${CMAKE_CURRENT_BINARY_DIR}/nigh_generate/${arg_TARGET}")
  file(MAKE_DIRECTORY "${out}")
  set(imports "${base}")
  foreach(dir IN LISTS arg_IMPORT_DIRS)
    get_filename_component(dir "${dir}" ABSOLUTE)
    list(APPEND imports "${dir}")
  endforeach()
  foreach(dependency IN LISTS arg_DEPS)
    if(NOT TARGET ${dependency})
      message(FATAL_ERROR "nigh_generate(TARGET ${arg_TARGET}): DEPS: there is no ${dependency} yet")
    endif()
    get_target_property(dirs ${dependency} NIGH_IMPORT_DIRS)
    if(dirs)
      list(APPEND imports ${dirs})
    endif()
  endforeach()
  list(REMOVE_DUPLICATES imports)
  set(paths ${imports})
  _nigh_protos(own)
  list(APPEND paths ${own})
  list(TRANSFORM paths PREPEND "--proto_path=")

  set(plugin_options)
  if(arg_MOCKS)
    set(plugin_options "mocks:")
  endif()
  _nigh_plugin(plugin plugin_dependency)

  set(sources)
  foreach(proto IN LISTS arg_PROTOS)
    get_filename_component(file "${proto}" ABSOLUTE)
    if(NOT EXISTS "${file}")
      message(FATAL_ERROR "nigh_generate(TARGET ${arg_TARGET}): there is no ${file}")
    endif()
    file(RELATIVE_PATH path "${base}" "${file}")
    if(path MATCHES "^\\.\\./")
      message(FATAL_ERROR "nigh_generate(TARGET ${arg_TARGET}): ${file} does not lie below BASE, ${base}")
    endif()
    string(REGEX REPLACE "\\.proto$" "" stem "${path}")
    # Ninja takes a file of dependencies for this command's by the first output, and protoc sorts them.
    set(made "${out}/${stem}.nigh.cc" "${out}/${stem}.nigh.h" "${out}/${stem}.pb.cc" "${out}/${stem}.pb.h")
    list(APPEND sources ${made})
    if(arg_MOCKS)
      list(APPEND made "${out}/${stem}_mock.nigh.h")
    endif()
    get_filename_component(folder "${out}/${stem}" DIRECTORY)
    file(MAKE_DIRECTORY "${folder}")
    add_custom_command(
      OUTPUT ${made}
      COMMAND protobuf::protoc ${paths} "--plugin=protoc-gen-nigh=${plugin}" "--cpp_out=${out}"
              "--nigh_out=${plugin_options}${out}" "--dependency_out=${out}/${stem}.d" "${path}"
      DEPENDS "${file}" ${plugin_dependency}
      DEPFILE "${out}/${stem}.d"
      COMMENT "Generating C++ of ${path}"
      VERBATIM)
  endforeach()

  if(NOT TARGET ${arg_TARGET})
    add_library(${arg_TARGET} STATIC)
    set_target_properties(${arg_TARGET} PROPERTIES POSITION_INDEPENDENT_CODE ON)
  endif()
  target_sources(${arg_TARGET} PRIVATE ${sources})
  target_include_directories(${arg_TARGET} PUBLIC "$<BUILD_INTERFACE:${out}>")
  target_link_libraries(${arg_TARGET} PUBLIC ${arg_LIBRARY} ${arg_DEPS})
  set_property(TARGET ${arg_TARGET} APPEND PROPERTY NIGH_IMPORT_DIRS ${imports})

  if(arg_MOCKS)
    if(NOT TARGET GTest::gmock)
      find_package(GTest REQUIRED)
    endif()
    add_library(${arg_TARGET}_mocks INTERFACE)
    target_link_libraries(${arg_TARGET}_mocks INTERFACE ${arg_TARGET} GTest::gmock)
  endif()
endfunction()

# Where nigh/*.proto lie.
function(_nigh_protos out)
  foreach(target nigh::nigh_static nigh::nigh_shared)
    if(TARGET ${target})
      get_target_property(dirs ${target} NIGH_IMPORT_DIRS)
      set(${out} ${dirs} PARENT_SCOPE)
      return()
    endif()
  endforeach()
endfunction()

# The plugin to run here, and what has to be made before.
function(_nigh_plugin out dependency)
  if(NIGH_PROTOC_GEN_NIGH)
    set(${out} "${NIGH_PROTOC_GEN_NIGH}" PARENT_SCOPE)
    set(${dependency} "${NIGH_PROTOC_GEN_NIGH}" PARENT_SCOPE)
  elseif(TARGET nigh::protoc-gen-nigh)
    set(${out} "$<TARGET_FILE:nigh::protoc-gen-nigh>" PARENT_SCOPE)
    set(${dependency} nigh::protoc-gen-nigh PARENT_SCOPE)
  else()
    message(FATAL_ERROR "nigh_generate: there is no plugin for protoc: build nigh with it, or set "
                        "NIGH_PROTOC_GEN_NIGH to one")
  endif()
endfunction()

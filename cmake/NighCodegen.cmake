# nigh::protoc-gen-nigh, the plugin for protoc. Where nigh is cross-compiled, one that runs here is
# named instead.
if(NOT NIGH_PROTOC_GEN_NIGH)
  if(NOT TARGET protobuf::libprotoc)
    message(FATAL_ERROR "nigh: the plugin for protoc needs libprotoc (Debian: libprotoc-dev), or name "
                        "one that is there: -DNIGH_PROTOC_GEN_NIGH=FILE")
  endif()
  file(GLOB nigh_codegen_sources CONFIGURE_DEPENDS "${PROJECT_SOURCE_DIR}/codegen/*.cc")
  add_executable(nigh_protoc_gen_nigh ${nigh_codegen_sources} "${nigh_protos}/nigh/options.pb.cc"
                                      "${nigh_protos}/nigh/options.pb.h")
  nigh_unite_folders(nigh_protoc_gen_nigh ${nigh_codegen_sources})
  # Its own headers are included from the tree's top.
  target_include_directories(nigh_protoc_gen_nigh PRIVATE "${PROJECT_SOURCE_DIR}")
  target_link_libraries(nigh_protoc_gen_nigh PRIVATE nigh_build protobuf::libprotoc)
  set_target_properties(nigh_protoc_gen_nigh PROPERTIES
    OUTPUT_NAME protoc-gen-nigh
    EXPORT_NAME protoc-gen-nigh)
  add_executable(nigh::protoc-gen-nigh ALIAS nigh_protoc_gen_nigh)
endif()

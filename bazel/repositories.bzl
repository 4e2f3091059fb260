"""The repositories that nigh builds against: Debian 12's packages, nothing downloaded."""

# The Abseil targets in use: package -> target -> the libraries it links. Headers lie in /usr/include.
_ABSL_TARGETS = {
    "algorithm": {"container": []},
    "base": {"core_headers": []},
    "cleanup": {"cleanup": []},
    "container": {
        "flat_hash_map": ["raw_hash_set", "hash"],
        "flat_hash_set": ["raw_hash_set", "hash"],
        "inlined_vector": ["throw_delegate"],
    },
    "flags": {
        "flag": ["flags_internal", "flags_marshalling", "flags_reflection", "flags_commandlineflag"],
        "parse": ["flags_parse", "flags_usage", "flags_usage_internal"],
        "usage": ["flags_usage", "flags_usage_internal"],
    },
    "functional": {
        "any_invocable": [],
        "function_ref": [],
    },
    "memory": {"memory": []},
    "random": {"random": [
        "random_distributions",
        "random_seed_sequences",
        "random_internal_pool_urbg",
        "random_internal_randen",
        "random_internal_randen_hwaes",
        "random_internal_randen_hwaes_impl",
        "random_internal_randen_slow",
        "random_internal_seed_material",
        "random_internal_platform",
    ]},
    "status": {
        "status": ["status", "cord", "cord_internal", "strerror"],
        "statusor": ["statusor", "status", "cord", "cord_internal", "bad_variant_access"],
    },
    "strings": {
        "cord": ["cord", "cord_internal", "cordz_info", "cordz_functions", "cordz_handle"],
        "str_format": ["str_format_internal"],
        "strings": ["strings", "strings_internal", "int128", "throw_delegate"],
    },
    "synchronization": {"synchronization": ["synchronization", "base"]},
    "time": {"time": ["time", "time_zone", "int128"]},
    "types": {
        "optional": ["bad_optional_access"],
        "span": ["throw_delegate"],
    },
}

def _debian_absl(context):
    context.file("WORKSPACE", "workspace(name = \"com_google_absl\")\n")
    for package, targets in _ABSL_TARGETS.items():
        build = "package(default_visibility = [\"//visibility:public\"])\n"
        for target, libraries in targets.items():
            build += "cc_library(name = %r, linkopts = %r)\n" % (
                target,
                ["-labsl_" + library for library in libraries + ["base", "raw_logging_internal"]],
            )
        context.file("absl/%s/BUILD" % package, build)

# Debian's Abseil under Abseil's own labels, which lie in many packages.
debian_absl = repository_rule(implementation = _debian_absl)

def nigh_system_repositories(workspace_directory = "."):
    """Declares each repository that the calling WORKSPACE has not declared itself.

    Args:
      workspace_directory: where this workspace lies, seen from the calling one: "." for nigh itself,
        the `path` of its local_repository for a workspace that depends on nigh.
    """
    existing = native.existing_rules()
    if "com_google_absl" not in existing:
        debian_absl(name = "com_google_absl")
    for repository, build_file in [
        ("com_google_protobuf", "protobuf"),
        ("com_google_googletest", "googletest"),
        ("com_github_google_benchmark", "benchmark"),
    ]:
        if repository not in existing:
            native.new_local_repository(
                name = repository,
                path = "/usr",
                build_file = "@nigh//bazel/system:%s.BUILD" % build_file,
            )

    if "grpc_proto" not in existing:
        native.new_local_repository(
            name = "grpc_proto",
            path = "/usr/share/grpc-proto",
            build_file = "@nigh//bazel/system:grpc_proto.BUILD",
        )

    # Bazel's own C++ tools load these; offline, a few lines stand in for each.
    for repository in ["rules_cc", "rules_java", "remote_coverage_tools"]:
        if repository not in existing:
            native.local_repository(
                name = repository,
                path = workspace_directory + "/bazel/" + repository,
            )

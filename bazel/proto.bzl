"""How .proto files become C++ libraries: the rules beneath nigh_cc_library (defs.bzl)."""

ProtoSourcesInfo = provider(
    doc = "The .proto files of a library and of everything that it imports.",
    fields = {
        "files": "depset of File",
        "mappings": "depset of protoc arguments, -IIMPORTED_AS=PATH, one a file",
    },
)

def _workspace_path(file):
    """The file's path in its own workspace, wherever that is checked out or generated."""
    path = file.short_path
    return path if not path.startswith("../") else path[3:].partition("/")[2]

def _import_path(file, strip_import_prefix):
    path = _workspace_path(file)
    prefix = strip_import_prefix.strip("/")
    if not prefix:
        return path
    if not path.startswith(prefix + "/"):
        fail("%s does not lie under strip_import_prefix \"/%s\"" % (path, prefix))
    return path[len(prefix) + 1:]

def _mapping(import_path, file):
    return "-I%s=%s" % (import_path, file.path)

def _well_known_mapping(file):
    # Lies at include/google/protobuf in a system's protobuf, at src/google/protobuf in a checkout.
    return _mapping("google/protobuf/" + file.path.rpartition("/google/protobuf/")[2], file)

def _generate_impl(ctx):
    import_paths = {}
    for file in ctx.files.srcs:
        if file.owner.package != ctx.label.package:
            fail("%s: generate %s in its own package, //%s" %
                 (ctx.label, file.short_path, file.owner.package))
        import_paths[file] = _import_path(file, ctx.attr.strip_import_prefix)

    dependencies = [dep[ProtoSourcesInfo] for dep in ctx.attr.deps]
    sources = ProtoSourcesInfo(
        files = depset(ctx.files.srcs, transitive = [dep.files for dep in dependencies]),
        mappings = depset(
            [_mapping(path, file) for file, path in import_paths.items()],
            transitive = [dep.mappings for dep in dependencies],
        ),
    )

    extensions = [".pb"] + ([".nigh"] if ctx.executable.plugin else [])
    headers = []
    definitions = []
    mocks = []
    for file in ctx.files.srcs:
        stem = _workspace_path(file)[:-len(".proto")]
        if ctx.label.package:
            stem = stem[len(ctx.label.package) + 1:]
        headers += [ctx.actions.declare_file(stem + extension + ".h") for extension in extensions]
        definitions += [ctx.actions.declare_file(stem + extension + ".cc") for extension in extensions]
        if ctx.attr.mocks:
            mocks.append(ctx.actions.declare_file(stem + "_mock.nigh.h"))

    directory = "/".join([
        part
        for part in [
            ctx.bin_dir.path,
            ctx.label.workspace_root,
            ctx.attr.strip_import_prefix.strip("/"),
        ]
        if part
    ])
    arguments = ctx.actions.args()
    arguments.add("--cpp_out=" + directory)
    if ctx.executable.plugin:
        arguments.add(ctx.executable.plugin, format = "--plugin=protoc-gen-nigh=%s")
        arguments.add("--nigh_out=" + ("mocks:" if ctx.attr.mocks else "") + directory)
    arguments.add_all(sources.mappings)
    arguments.add_all(ctx.files._well_known_protos, map_each = _well_known_mapping)
    arguments.add_all(ctx.files.srcs)
    ctx.actions.run(
        executable = ctx.executable._protoc,
        arguments = [arguments],
        inputs = depset(ctx.files._well_known_protos, transitive = [sources.files]),
        outputs = headers + definitions + mocks,
        tools = [ctx.executable.plugin] if ctx.executable.plugin else [],
        mnemonic = "NighProtoc",
        progress_message = "Generating C++ for %s" % ctx.label,
    )
    return [
        sources,
        DefaultInfo(files = depset(headers + definitions)),
        OutputGroupInfo(
            headers = depset(headers),
            definitions = depset(definitions),
            mocks = depset(mocks),
        ),
    ]

_generate = rule(
    doc = "Runs protoc: the messages of `srcs`, and with a `plugin` the stubs.",
    implementation = _generate_impl,
    attrs = {
        "srcs": attr.label_list(allow_files = [".proto"], mandatory = True, allow_empty = False),
        "deps": attr.label_list(providers = [ProtoSourcesInfo]),
        "strip_import_prefix": attr.string(),
        "plugin": attr.label(executable = True, cfg = "exec"),
        "mocks": attr.bool(doc = "Whether the plugin writes FILE_mock.nigh.h, too."),
        "_protoc": attr.label(
            default = "@com_google_protobuf//:protoc",
            executable = True,
            allow_single_file = True,
            cfg = "exec",
        ),
        "_well_known_protos": attr.label(
            default = "@com_google_protobuf//:well_known_protos",
            allow_files = True,
        ),
    },
)

def _library_impl(ctx):
    return [
        ctx.attr.sources[ProtoSourcesInfo],
        ctx.attr.compiled[CcInfo],
        ctx.attr.compiled[DefaultInfo],
        ctx.attr.compiled[OutputGroupInfo],
    ]

_library = rule(
    doc = "A cc_library that also knows the .proto files that it was generated from.",
    implementation = _library_impl,
    attrs = {
        "sources": attr.label(providers = [ProtoSourcesInfo], mandatory = True),
        "compiled": attr.label(providers = [CcInfo], mandatory = True),
    },
)

def messages_library(
        name,
        srcs,
        deps = [],
        strip_import_prefix = "",
        plugin = None,
        runtime = [],
        mocks = False,
        visibility = None,
        testonly = None,
        tags = None,
        **kwargs):
    """The C++ library of some .proto files; with a `plugin`, what that generates is in it too.

    Args:
      name: the target to depend on.
      srcs: .proto files of this package.
      deps: the libraries, made by this macro, of the .proto files that `srcs` import.
      strip_import_prefix: the folder, from the workspace's top, that imports and includes leave out.
      plugin: a protoc-gen-nigh.
      runtime: what the plugin's code is compiled against.
      mocks: whether there is a library NAME_mocks of the plugin's gMock classes, for tests.
      visibility: as everywhere.
      testonly: as everywhere.
      tags: as everywhere.
      **kwargs: for the cc_library that compiles the code, say copts.
    """
    _generate(
        name = name + ".generate",
        srcs = srcs,
        deps = deps,
        strip_import_prefix = strip_import_prefix,
        plugin = plugin,
        mocks = mocks,
        testonly = testonly,
        tags = tags,
        visibility = ["//visibility:private"],
    )
    for group in ["headers", "definitions"] + (["mocks"] if mocks else []):
        native.filegroup(
            name = name + "." + group,
            srcs = [":" + name + ".generate"],
            output_group = group,
            testonly = testonly,
            tags = tags,
            visibility = ["//visibility:private"],
        )
    native.cc_library(
        name = name + ".compile",
        srcs = [":" + name + ".definitions"],
        hdrs = [":" + name + ".headers"],
        strip_include_prefix = strip_import_prefix or None,
        deps = deps + runtime + ["@com_google_protobuf//:protobuf"],
        testonly = testonly,
        tags = tags,
        visibility = ["//visibility:private"],
        **kwargs
    )
    _library(
        name = name,
        sources = ":" + name + ".generate",
        compiled = ":" + name + ".compile",
        testonly = testonly,
        tags = tags,
        visibility = visibility,
    )
    if mocks:
        native.cc_library(
            name = name + "_mocks",
            hdrs = [":" + name + ".mocks"],
            strip_include_prefix = strip_import_prefix or None,
            deps = [":" + name, "@com_google_googletest//:gtest"],
            testonly = True,
            tags = tags,
            visibility = visibility,
        )

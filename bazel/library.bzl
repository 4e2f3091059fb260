"""The rule for nigh's own libraries."""

_PUBLIC = "//include/nigh"

def _whole_folder(name, srcs):
    """A source that includes all of `srcs`: the compiler reads what they include once."""
    for source in srcs:
        if ":" in source:
            fail("%s: name the files of this folder, not labels" % source)
    lines = ["#include \\\"%s/%s\\\"" % (native.package_name(), source) for source in srcs]
    native.genrule(
        name = name + ".whole",
        outs = [name + ".whole.cc"],
        cmd = "printf '%s\\n' " + " ".join(['"%s"' % line for line in lines]) + " >$@",
        tags = ["manual"],
        visibility = ["//visibility:private"],
    )
    return name + ".whole.cc"

def nigh_library(name, srcs = [], public_hdrs = [], deps = [], **kwargs):
    """A cc_library of nigh's runtime or transports.

    An include line is an address: "nigh/" and the header's path in the tree,
    "nigh/runtime/client/client_session.h", here and in every workspace that depends on nigh; the
    prefix keeps the paths apart from that workspace's own. What users include lies in include/, and
    its path begins there: "nigh/server.h".

    Args:
      name: the target.
      srcs: as of cc_library. With //bazel:whole_folders they are compiled as one.
      public_hdrs: the headers of include/nigh that this library implements, "server.h" or
        "transport/address.h".
      deps: as of cc_library.
      **kwargs: for the cc_library.
    """
    if public_hdrs:
        native.cc_library(
            name = name + ".public",
            hdrs = ["%s:%s" % (_PUBLIC, header) for header in public_hdrs],
            strip_include_prefix = "/include",
            deps = deps,
            visibility = ["//visibility:private"],
        )
        deps = deps + [":" + name + ".public"]
    whole = [_whole_folder(name, srcs)] if srcs else []
    native.cc_library(
        name = name,
        srcs = select({
            "//bazel:compiles_whole_folders": whole,
            "//conditions:default": srcs,
        }),
        textual_hdrs = select({
            "//bazel:compiles_whole_folders": srcs,
            "//conditions:default": [],
        }),
        strip_include_prefix = "/" + native.package_name(),
        include_prefix = "nigh/" + native.package_name(),
        deps = deps,
        **kwargs
    )

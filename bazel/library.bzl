"""The rule for nigh's own libraries."""

def nigh_library(name, include_prefix = "nigh", **kwargs):
    """A cc_library whose headers are included as "<include_prefix>/<header>", wherever they lie.

    The prefix keeps nigh's headers apart from those of a workspace that depends on it, and from the
    folders they lie in: runtime/server/server.h is "nigh/server.h" here and everywhere.
    """
    native.cc_library(
        name = name,
        strip_include_prefix = "/" + native.package_name(),
        include_prefix = include_prefix,
        **kwargs
    )

"""Programs that are counted: built without sanitizers, whatever else is built how."""

_FLAGS = ["//command_line_option:" + flag for flag in ["compilation_mode", "copt", "linkopt"]]
_WHOLE_FOLDERS = "//bazel:whole_folders"

def _count_impl(settings, attr):
    flags = {
        option: [flag for flag in settings[option] if "sanitize" not in flag and flag != "-O1"]
        for option in _FLAGS[1:]
    }
    flags[_FLAGS[0]] = "opt"
    # awake_times.o is to be replaced.
    flags[_WHOLE_FOLDERS] = False
    if attr.counts == "locks":
        # All of nigh once more, for one test: in the quickest way. How often a call locks does not
        # depend on it, as long as both sides are awake.
        flags[_FLAGS[0]] = "fastbuild"
        flags[_WHOLE_FOLDERS] = True
        flags["//command_line_option:copt"].append("-DNIGH_COUNT_LOCKS")
    return flags

_count = transition(
    implementation = _count_impl,
    inputs = _FLAGS[1:],
    outputs = _FLAGS + [_WHOLE_FOLDERS],
)

def _counting_binary_impl(ctx):
    link = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(output = link, target_file = ctx.executable.binary, is_executable = True)
    return [DefaultInfo(
        executable = link,
        runfiles = ctx.attr.binary[0][DefaultInfo].default_runfiles,
    )]

counting_binary = rule(
    doc = "`binary`. For instructions as `-c opt` builds it, from the same objects as everything " +
          "else; for locks with NIGH_COUNT_LOCKS, by which nigh's mutexes count how often they " +
          "are locked.",
    implementation = _counting_binary_impl,
    executable = True,
    attrs = {
        "binary": attr.label(cfg = _count, executable = True, mandatory = True),
        "counts": attr.string(mandatory = True, values = ["instructions", "locks"]),
        "_allowlist_function_transition": attr.label(
            default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
        ),
    },
)

"""Programs that are built optimised and without sanitizers, whatever else is built how."""

_FLAGS = ["//command_line_option:" + flag for flag in ["compilation_mode", "copt", "linkopt"]]

def _optimise_impl(settings, _attr):
    flags = {
        option: [flag for flag in settings[option] if "sanitize" not in flag and flag != "-O1"]
        for option in _FLAGS[1:]
    }
    flags[_FLAGS[0]] = "opt"
    return flags

_optimise = transition(implementation = _optimise_impl, inputs = _FLAGS[1:], outputs = _FLAGS)

def _count_locks_impl(settings, attr):
    flags = _optimise_impl(settings, attr)
    flags["//command_line_option:copt"].append("-DNIGH_COUNT_LOCKS")
    return flags

_count_locks = transition(implementation = _count_locks_impl, inputs = _FLAGS[1:], outputs = _FLAGS)

def _optimised_binary_impl(ctx):
    link = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(output = link, target_file = ctx.executable.binary, is_executable = True)
    return [DefaultInfo(
        executable = link,
        runfiles = ctx.attr.binary[0][DefaultInfo].default_runfiles,
    )]

def _attrs(cfg):
    return {
        "binary": attr.label(cfg = cfg, executable = True, mandatory = True),
        "_allowlist_function_transition": attr.label(
            default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
        ),
    }

optimised_binary = rule(
    doc = "`binary` as `-c opt` builds it: counting instructions of anything else says nothing.",
    implementation = _optimised_binary_impl,
    executable = True,
    attrs = _attrs(_optimise),
)

lock_counting_binary = rule(
    doc = "The same, with nigh's mutexes counting how often they are locked.",
    implementation = _optimised_binary_impl,
    executable = True,
    attrs = _attrs(_count_locks),
)

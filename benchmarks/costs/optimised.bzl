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

def _optimised_binary_impl(ctx):
    link = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(output = link, target_file = ctx.executable.binary, is_executable = True)
    return [DefaultInfo(
        executable = link,
        runfiles = ctx.attr.binary[0][DefaultInfo].default_runfiles,
    )]

optimised_binary = rule(
    doc = "`binary` as `-c opt` builds it: counting instructions of anything else says nothing.",
    implementation = _optimised_binary_impl,
    executable = True,
    attrs = {
        "binary": attr.label(cfg = _optimise, executable = True, mandatory = True),
        "_allowlist_function_transition": attr.label(
            default = "@bazel_tools//tools/allowlists/function_transition_allowlist",
        ),
    },
)

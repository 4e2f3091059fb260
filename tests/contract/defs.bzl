"""Judges transports by the suites that every transport of nigh passes.

A suite is a library of tests over TheSubject(), with a main(). A program of tests links it with one
table of media, a library that defines Media() (tests/contract/subject.h) and nothing refers to:

    load("//tests/contract:defs.bzl", "transport_conformance_test", "transport_contract_test")

    cc_library(
        name = "media",
        testonly = True,
        srcs = ["media.cc"],
        alwayslink = True,
        deps = [
            ":my_transport",
            "//tests/contract:subject",
        ],
    )
    transport_contract_test(name = "contract_test", media = ":media")
    transport_conformance_test(name = "conformance_test", media = ":media")

A table of several media takes `args = ["--medium=NAME"]`. Where many tests run the same program,
medium_tests links it once.
"""

def transport_contract_test(name, media, **kwargs):
    """The contract of transports/README.md, C1 and on.

    Args:
      name: of the test.
      media: label of the table.
      **kwargs: passed on to cc_test.
    """
    native.cc_test(
        name = name,
        deps = [media, str(Label("//tests/contract:suite"))],
        **kwargs
    )

def transport_conformance_test(name, media, **kwargs):
    """Calls as users of gRPC expect them.

    Args:
      name: of the test.
      media: label of the table.
      **kwargs: passed on to cc_test.
    """
    native.cc_test(
        name = name,
        shard_count = 4,
        deps = [media, str(Label("//tests/conformance:suite"))],
        **kwargs
    )

def _program_test_impl(ctx):
    link = ctx.actions.declare_file(ctx.label.name)
    ctx.actions.symlink(output = link, target_file = ctx.executable.program, is_executable = True)
    return [DefaultInfo(
        executable = link,
        runfiles = ctx.attr.program[DefaultInfo].default_runfiles,
    )]

_program_test = rule(
    doc = "Runs `program`, which is built once for however many tests.",
    implementation = _program_test_impl,
    test = True,
    attrs = {"program": attr.label(cfg = "target", executable = True, mandatory = True)},
)

def medium_tests(program, media, **kwargs):
    """Tests MEDIUM_PROGRAM_test of this package, which run one program of tests over each medium.

    Args:
      program: name of a cc_binary of a suite and a table, in this package.
      media: names from that table.
      **kwargs: as of every test: size, tags, shard_count.
    """
    for medium in media:
        _program_test(
            name = "%s_%s_test" % (medium, program),
            program = ":" + program,
            args = ["--medium=" + medium],
            **kwargs
        )

"""Judges a transport by the suites that every transport of nigh passes.

    load("//tests/contract:defs.bzl", "medium", "transport_conformance_test", "transport_contract_test")

    UNIX = medium(
        header = "nigh/transports/unix/unix.h",
        transport = "nigh::kUnixTransport",
        address = "unix:{dir}/{n}",
        deps = ["//transports/unix"],
    )
    transport_contract_test(name = "contract_test", medium = UNIX)
    transport_conformance_test(name = "conformance_test", medium = UNIX)
"""

def medium(header, transport, address, deps, processes = True, slow = False, stranger = "", connections = 1000, threads = False):
    """A transport, as suites need to know it; tests/contract/subject.h explains the fields.

    Args:
      header: what to include for it.
      transport: a C++ expression of type nigh::Transport.
      address: where to listen, with {dir} and {n}.
      deps: labels of the transport's library.
      processes: whether the two ends may live in two processes.
      slow: whether tests should send few bytes.
      stranger: how a program that is not nigh reaches a listener; empty: not at all.
      threads: whether it cannot be polled, and so has threads of its own.
      connections: how many the system allows at once, if that is less than tests ask for.
    """
    return struct(
        header = header,
        transport = transport,
        address = address,
        deps = deps,
        processes = processes,
        slow = slow,
        stranger = stranger,
        connections = connections,
        threads = threads,
    )

def _subject_source(ctx):
    ctx.actions.write(ctx.outputs.out, """\
#include "{header}"
#include "tests/contract/subject.h"

const nigh::testing::Subject& nigh::testing::TheSubject() {{
  static const Subject subject = {{
      .transport = {transport},
      .address = "{address}",
      .processes = {processes},
      .slow = {slow},
      .stranger = "{stranger}",
      .connections = {connections},
      .threads = {threads},
  }};
  return subject;
}}
""".format(
        header = ctx.attr.header,
        transport = ctx.attr.transport,
        address = ctx.attr.address,
        processes = "true" if ctx.attr.processes else "false",
        slow = "true" if ctx.attr.slow else "false",
        stranger = ctx.attr.stranger,
        connections = ctx.attr.connections,
        threads = "true" if ctx.attr.threads else "false",
    ))

_write_subject = rule(
    implementation = _subject_source,
    attrs = {
        "header": attr.string(mandatory = True),
        "transport": attr.string(mandatory = True),
        "address": attr.string(mandatory = True),
        "processes": attr.bool(),
        "slow": attr.bool(),
        "stranger": attr.string(),
        "connections": attr.int(),
        "threads": attr.bool(),
        "out": attr.output(mandatory = True),
    },
)

def transport_suite_test(name, suite, medium, **kwargs):
    """A cc_test of `suite`, a library of tests over TheSubject() with a main(), over one medium.

    Args:
      name: of the test.
      suite: label of the library.
      medium: from medium().
      **kwargs: passed on to cc_test.
    """
    _write_subject(
        name = name + "_subject",
        header = medium.header,
        transport = medium.transport,
        address = medium.address,
        processes = medium.processes,
        slow = medium.slow,
        stranger = medium.stranger,
        connections = medium.connections,
        threads = medium.threads,
        out = name + "_subject.cc",
        testonly = True,
    )
    native.cc_test(
        name = name,
        srcs = [name + "_subject.cc"],
        deps = medium.deps + [str(Label("//tests/contract:subject")), suite],
        **kwargs
    )

def transport_contract_test(name, medium, **kwargs):
    """The contract of transports/README.md, C1 and on, over one medium."""
    transport_suite_test(
        name = name,
        suite = str(Label("//tests/contract:suite")),
        medium = medium,
        **kwargs
    )

def transport_conformance_test(name, medium, **kwargs):
    """Calls as users of gRPC expect them, over one medium."""
    transport_suite_test(
        name = name,
        suite = str(Label("//tests/conformance:suite")),
        medium = medium,
        shard_count = 4,
        **kwargs
    )

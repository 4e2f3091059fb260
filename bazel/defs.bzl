"""What other workspaces load from nigh: nigh_cc_library."""

load(":proto.bzl", "messages_library")

def nigh_cc_library(name, srcs, deps = [], mocks = False, **kwargs):
    """A C++ library of .proto files: protobuf's messages and nigh's stubs and service classes.

    The headers are included by their path in the workspace, dir/hello.nigh.h (which brings
    dir/hello.pb.h), and imports are written by the same path.

        nigh_cc_library(
            name = "hello_nigh",
            srcs = ["hello.proto"],
        )

    Nothing else is needed to serve or call; a program adds @nigh//:nigh for the transports. Files
    without services are fine. google/protobuf/*.proto can be imported by anybody; the target of
    nigh/options.proto is @nigh//proto/nigh:options.

    With mocks = True there is another library beside it, for tests: hello_nigh_mocks, with
    dir/hello_mock.nigh.h. It holds a gMock class for each service, MockGreeterService for Greeter.

    Args:
      name: the target to depend on.
      srcs: .proto files of this package.
      deps: the nigh_cc_library targets of the files that `srcs` import.
      mocks: whether to generate gMock classes, too, as NAME_mocks.
      **kwargs: visibility, testonly, tags; strip_import_prefix = "/proto" when imports and includes
        leave out that top folder; anything else goes to the cc_library that compiles the code.
    """
    messages_library(
        name = name,
        srcs = srcs,
        deps = deps,
        plugin = Label("//:protoc-gen-nigh"),
        runtime = [Label("//runtime")],
        mocks = mocks,
        **kwargs
    )

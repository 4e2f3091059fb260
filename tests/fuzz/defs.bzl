"""The rule for fuzz targets."""

def fuzz_target(name, deps = []):
    """A target of <name>.cc, which defines LLVMFuzzerTestOneInput, as two programs.

    <name>_fuzzer is libFuzzer's, built by `./dev fuzz` with Clang. <name>_replay_test is an ordinary
    test that runs every file of corpus/<name>, each a case.
    """
    native.cc_library(
        name = name + ".target",
        testonly = True,
        srcs = [name + ".cc"],
        deps = deps + [":input"],
        # Nothing names LLVMFuzzerTestOneInput but libFuzzer's archive.
        alwayslink = True,
    )
    native.cc_binary(
        name = name + "_fuzzer",
        testonly = True,
        linkopts = ["-fsanitize=fuzzer"],
        tags = ["manual"],
        deps = [":%s.target" % name],
    )
    native.cc_test(
        name = name + "_replay_test",
        size = "small",
        args = ["%s/corpus/%s" % (native.package_name(), name)],
        data = native.glob(["corpus/%s/*" % name]),
        deps = [
            ":replay",
            ":%s.target" % name,
        ],
    )

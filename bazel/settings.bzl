"""How nigh is built, for who builds it."""

def _flag_impl(_ctx):
    return []

flag = rule(
    doc = "True or False, on the command line or by a transition.",
    implementation = _flag_impl,
    build_setting = config.bool(flag = True),
)

#ifndef NIGH_CODEGEN_MACROS_H_
#define NIGH_CODEGEN_MACROS_H_

namespace nigh::codegen {

// The macros of the headers of C, C++, POSIX and Linux, in alphabetical order, with blanks between
// them. One that takes arguments has a "(" behind it. Families (reserved_names.cc) are left out,
// and so are names that begin with an underscore. //tests/codegen:macros_test compares this with
// what the compiler says of those headers; `bazel run //tests/codegen:macros_test -- --update` adds
// what it finds.
extern const char kMacros[];

}  // namespace nigh::codegen

#endif  // NIGH_CODEGEN_MACROS_H_

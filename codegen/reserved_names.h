#ifndef NIGH_CODEGEN_RESERVED_NAMES_H_
#define NIGH_CODEGEN_RESERVED_NAMES_H_

#include <string>

namespace nigh::codegen {

// Names that mean something to the compiler wherever they stand.

// A keyword of C++20, or an alternative spelling of an operator.
bool IsKeyword(const std::string& name);

// A macro of the headers of C, C++, POSIX and Linux, of GoogleTest, Abseil and protobuf; of other
// libraries for logging (LOG, CHECK); or a name that the system keeps for itself (_Exit, __FILE__).
// It need not be one where the code is generated: whoever includes that may include other headers
// before.
bool IsMacro(const std::string& name);

// A macro that is one without parentheses, too, so that nothing at all can have its name.
bool IsMacroWithoutArguments(const std::string& name);

// A macro only of compilers that keep to GNU's dialect: g++ -std=gnu++20, not -std=c++20.
bool IsGnuMacro(const std::string& name);

}  // namespace nigh::codegen

#endif  // NIGH_CODEGEN_RESERVED_NAMES_H_

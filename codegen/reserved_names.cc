#include "codegen/reserved_names.h"

#include <algorithm>
#include <cctype>
#include <cstddef>
#include <iterator>
#include <set>
#include <sstream>
#include <string>

#include "codegen/macros.h"

namespace nigh::codegen {
namespace {

// In alphabetical order.
constexpr const char* kKeywords[] = {"alignas",       "alignof",     "and",
                                     "and_eq",        "asm",         "auto",
                                     "bitand",        "bitor",       "bool",
                                     "break",         "case",        "catch",
                                     "char",          "char16_t",    "char32_t",
                                     "char8_t",       "class",       "co_await",
                                     "co_return",     "co_yield",    "compl",
                                     "concept",       "const",       "const_cast",
                                     "consteval",     "constexpr",   "constinit",
                                     "continue",      "decltype",    "default",
                                     "delete",        "do",          "double",
                                     "dynamic_cast",  "else",        "enum",
                                     "explicit",      "export",      "extern",
                                     "false",         "float",       "for",
                                     "friend",        "goto",        "if",
                                     "inline",        "int",         "long",
                                     "mutable",       "namespace",   "new",
                                     "noexcept",      "not",         "not_eq",
                                     "nullptr",       "operator",    "or",
                                     "or_eq",         "private",     "protected",
                                     "public",        "register",    "reinterpret_cast",
                                     "requires",      "return",      "short",
                                     "signed",        "sizeof",      "static",
                                     "static_assert", "static_cast", "struct",
                                     "switch",        "template",    "this",
                                     "thread_local",  "throw",       "true",
                                     "try",           "typedef",     "typeid",
                                     "typename",      "union",       "unsigned",
                                     "using",         "virtual",     "void",
                                     "volatile",      "wchar_t",     "while",
                                     "xor",           "xor_eq"};

// What the names of many macros of one library begin with. A "_" at the end makes another name of
// one of these:
constexpr const char* kFamilies[] = {
    "ACTION_",      "ASSERT_", "ATOMIC_",    "CHECK_", "DCHECK_", "DLOG_",   "EXPECT_",
    "INSTANTIATE_", "LOG_",    "MATCHER_",   "MOCK_",  "PLOG_",   "QCHECK_", "REGISTER_TYPED_TEST_",
    "SYS_",         "TEST_",   "TYPED_TEST", "VLOG_"};
// and two of one of these, where many end with one themselves.
constexpr const char* kFamiliesWithTails[] = {"ABSL_",       "GMOCK_",      "GOOGLE_",
                                              "GOOGLEMOCK_", "GOOGLETEST_", "GTEST_",
                                              "LIBPROTO",    "NIGH_",       "PROTOBUF_"};

// The others of GoogleTest, gMock, protobuf and Abseil, and of libraries for logging.
constexpr const char* kOthers[] = {"ACQUIRED_AFTER",
                                   "ACQUIRED_BEFORE",
                                   "ACTION",
                                   "ADD_FAILURE",
                                   "ADD_FAILURE_AT",
                                   "CHECK",
                                   "DCHECK",
                                   "DLOG",
                                   "DPLOG",
                                   "DVLOG",
                                   "EXCLUSIVE_LOCKS_REQUIRED",
                                   "EXCLUSIVE_LOCK_FUNCTION",
                                   "EXCLUSIVE_TRYLOCK_FUNCTION",
                                   "FAIL",
                                   "FRIEND_TEST",
                                   "GUARDED_BY",
                                   "GUARDED_BY_FIXME",
                                   "LANG_CXX11",
                                   "LOCKABLE",
                                   "LOCKS_EXCLUDED",
                                   "LOCK_RETURNED",
                                   "LOG",
                                   "MATCHER",
                                   "NO_THREAD_SAFETY_ANALYSIS",
                                   "NO_THREAD_SAFETY_ANALYSIS_FIXME",
                                   "ON_CALL",
                                   "PCHECK",
                                   "PLOG",
                                   "PT_GUARDED_BY",
                                   "PT_GUARDED_VAR",
                                   "QCHECK",
                                   "SCOPED_LOCKABLE",
                                   "SCOPED_TRACE",
                                   "SHARED_LOCKS_REQUIRED",
                                   "SHARED_LOCK_FUNCTION",
                                   "SHARED_TRYLOCK_FUNCTION",
                                   "SUCCEED",
                                   "TEST",
                                   "THREAD_ANNOTATION_ATTRIBUTE__",
                                   "TS_FIXME",
                                   "TS_UNCHECKED",
                                   "TS_UNCHECKED_READ",
                                   "UNLOCK_FUNCTION",
                                   "VLOG"};

constexpr const char* kGnuMacros[] = {"i386", "linux", "unix"};

bool BeginsWithOneOf(const auto& families, const std::string& name) {
  return std::any_of(std::begin(families), std::end(families),
                     [&](const char* family) { return name.starts_with(family); });
}

// How many "_" it ends with.
size_t TailOf(const std::string& name) { return name.size() - (name.find_last_not_of('_') + 1); }

bool Contains(const auto& list, const std::string& name) {
  return std::find(std::begin(list), std::end(list), name) != std::end(list);
}

const std::set<std::string>& Macros() {
  static const auto* const macros = [] {
    std::istringstream names(kMacros);
    return new std::set<std::string>(std::istream_iterator<std::string>(names), {});
  }();
  return *macros;
}

// "PRId64", "SCNxPTR": how printf(3) and scanf(3) write integers.
bool IsFormat(const std::string& name) {
  return name.size() > 4 && TailOf(name) == 0 &&
         (name.starts_with("PRI") || name.starts_with("SCN")) &&
         std::string("BXbdioux").find(name[3]) != std::string::npos;
}

// "_Exit", "__FILE__"; with one "_" more it is nobody's.
bool IsTheSystems(const std::string& name) {
  const size_t tail = TailOf(name);
  return name.size() > 1 && name[0] == '_' &&
         (name[1] == '_' || std::isupper(static_cast<unsigned char>(name[1]))) &&
         (tail == 0 || tail == 2);
}

}  // namespace

bool IsKeyword(const std::string& name) { return Contains(kKeywords, name); }

bool IsMacro(const std::string& name) {
  const size_t tail = TailOf(name);
  return IsMacroWithoutArguments(name) || Macros().contains(name + '(') ||
         Contains(kOthers, name) || (tail == 0 && BeginsWithOneOf(kFamilies, name)) ||
         (tail <= 1 && BeginsWithOneOf(kFamiliesWithTails, name));
}

bool IsMacroWithoutArguments(const std::string& name) {
  return Macros().contains(name) || IsFormat(name) || IsTheSystems(name);
}

bool IsGnuMacro(const std::string& name) { return Contains(kGnuMacros, name); }

}  // namespace nigh::codegen

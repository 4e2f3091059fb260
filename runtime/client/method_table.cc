#include "nigh/runtime/client/method_table.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nigh/method.h"
#include "nigh/mutex.h"

namespace nigh {
namespace {

// The number of a malformed name. The numbers from kMaxMethods on belong to methods that are too
// many; a service of such methods has several of them.
constexpr uint16_t kMalformed = std::numeric_limits<uint16_t>::max();

// These stand for every name that a table can no longer remember, one for each kind.
constexpr Method kOneTooMany[] = {{"another method", MethodKind::kUnary},
                                  {"another method", MethodKind::kServerStreaming},
                                  {"another method", MethodKind::kClientStreaming},
                                  {"another method", MethodKind::kBidiStreaming}};

}  // namespace

MethodTable::Entry MethodTable::Bind(absl::Span<const Method> methods) {
  MutexLock lock(mutex_);
  for (const auto& [known, id] : bound_) {
    if (known == methods.data()) return {known, id};
  }
  const bool fits = count_ + methods.size() <= kMaxMethods;
  const auto first = static_cast<uint16_t>(fits ? count_ : kMaxMethods);
  if (fits) count_ += methods.size();
  bound_.emplace_back(methods.data(), first);
  for (const Method& method : methods) {
    if (InReplies(method.fds)) take_fds_.store(true, std::memory_order_release);
  }
  return {methods.data(), first};
}

MethodTable::Entry MethodTable::Bind(absl::string_view name, MethodKind kind, Fds fds) {
  const auto index = static_cast<size_t>(kind);
  MutexLock lock(mutex_);
  auto known = named_.find(name);
  if (known == named_.end()) {
    // Malformed names count, too. Names may come from strangers, through a proxy, so the table must
    // not grow without bound.
    if (named_.size() >= kMaxMethods) return {&kOneTooMany[index], kMaxMethods};
    uint16_t id = kMalformed;
    if (IsMethodName(name)) id = count_ < kMaxMethods ? count_++ : kMaxMethods;
    auto named = std::make_unique<Named>(Named{std::string(name), id, {}});
    for (size_t where = 0; where < named->kinds.size(); ++where) {
      for (size_t i = 0; i < named->kinds[where].size(); ++i) {
        named->kinds[where][i] = {.name = named->name.c_str(),
                                  .kind = static_cast<MethodKind>(i),
                                  .fds = static_cast<Fds>(where)};
      }
    }
    known = named_.emplace(name, std::move(named)).first;
  }
  if (InReplies(fds)) take_fds_.store(true, std::memory_order_release);
  return {&known->second->kinds[static_cast<size_t>(fds)][index], known->second->id};
}

absl::Status MethodTable::Check(Entry entry, absl::string_view channel) {
  const char* const name = entry.method->name;
  if (entry.id == kMalformed) {
    return absl::InternalError(absl::StrCat(channel, ": \"", absl::CHexEscape(name),
                                            R"(" is no method (write "/package.Service/Method"))"));
  }
  if (entry.id >= kMaxMethods) {
    return absl::ResourceExhaustedError(absl::StrCat(channel, ": ", name, ": more than ",
                                                     kMaxMethods,
                                                     " methods on one channel (use a second one)"));
  }
  if (std::strlen(name) > kMaxMethodName) {
    return absl::InternalError(absl::StrCat(channel, ": ", name, ": a method's name is at most ",
                                            kMaxMethodName, " bytes long"));
  }
  return absl::OkStatus();
}

}  // namespace nigh

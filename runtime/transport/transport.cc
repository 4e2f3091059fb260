#include "nigh/transport/transport.h"

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace nigh {

// Weak here only: null in programs that do not link //transports:all. The declaration that users
// see is not weak, so they get an error of the linker instead. In a library that has all of nigh it
// is no question, and a weak reference would not bring the table into a program.
#ifndef NIGH_HAS_ALL_TRANSPORTS
[[gnu::weak]]
#endif
TransportTable
AllTransports();

namespace {

bool HasAllTransports() {
#ifdef NIGH_HAS_ALL_TRANSPORTS
  return true;
#else
  return AllTransports != nullptr;
#endif
}

}  // namespace

absl::StatusOr<const Transport*> FindTransport(TransportTable table, const Address& address) {
  if (table.empty()) {
    if (!HasAllTransports()) {
      return absl::InvalidArgumentError(absl::StrCat(
          "address \"", address.ToString(),
          "\": the program has no transports (link //:nigh, or pass a table in the options)"));
    }
    table = AllTransports();
  }
  for (const Transport& transport : table) {
    if (transport.scheme != address.scheme) continue;
    if (!address.name.empty() || !transport.has_name) return &transport;
    return absl::InvalidArgumentError(
        absl::StrCat("address \"", address.ToString(), "\": nothing follows its scheme"));
  }
  return absl::InvalidArgumentError(absl::StrCat(
      "address \"", address.ToString(), "\": no transport is called \"", address.scheme,
      "\" (there are: ",
      absl::StrJoin(
          table, ", ",
          [](std::string* out, const Transport& t) { absl::StrAppend(out, t.scheme, ":"); }),
      ")"));
}

}  // namespace nigh

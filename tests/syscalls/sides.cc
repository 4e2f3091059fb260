#include "tests/syscalls/sides.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "nigh/channel.h"
#include "nigh/options.h"
#include "nigh/server.h"
#include "tests/contract/subject.h"
#include "tests/faults/exchange.h"
#include "tests/syscalls/fault_sets.h"
#include "tests/syscalls/supervisor.h"

namespace nigh::testing {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(10);

// Whether a call, or the beginning of a server, may end so. Empty: it may.
std::string WhyNot(const absl::Status& status, const Fault& fault, bool own, bool arrives) {
  if (fault.first == 0 || fault.set->visible == Visible::kNo) return "must succeed";
  if (fault.set->visible == Visible::kAtArrival) {
    return arrives && absl::IsUnavailable(status) ? "" : "must succeed";
  }
  if (!absl::IsUnavailable(status) && !absl::IsResourceExhausted(status)) return "has a wrong code";
  if (!own || fault.error == kTruncated) return "";
  const char* const says = fault.set->says != nullptr ? fault.set->says : ::strerror(fault.error);
  if (!absl::StrContains(status.message(), says)) return "does not say what the system has said";
  return "";
}

}  // namespace

void Notes::Fail(absl::string_view what) { absl::StrAppend(&failures_, what, "\n"); }

std::shared_ptr<Channel> DialSubject(absl::string_view address) {
  constexpr absl::Duration kBackoff = absl::Milliseconds(1);
  return Dial(address, {.min_backoff = kBackoff,
                        .max_backoff = kBackoff,
                        .transports = {&TheSubject().transport, 1}})
      .value();
}

void MakeExchanges(const std::shared_ptr<Channel>& channel, const Fault& fault, bool own,
                   Notes& notes) {
  const size_t allowed = own ? 1 : 2;
  std::vector<std::string> failed;
  int rounds = 2;
  for (int round = 0; round < rounds; ++round) {
    for (const Kind kind : kKinds) {
      const Outcome outcome = MakeExchange(
          channel, kind, "id", {.timeout = kPatience, .wait_for_ready = !failed.empty()});
      const std::string what =
          absl::StrCat(NameOf(kind), ", round ", round, ": ", outcome.status.ToString());
      if (!outcome.right) notes.Fail(absl::StrCat("a wrong reply: ", what));
      if (outcome.status.ok()) continue;
      const bool arrives = round == 0 && kind == kKinds[0];
      const std::string why_not =
          failed.size() == allowed
              ? absl::StrCat("must succeed after \"", absl::StrJoin(failed, "\", \""), "\"")
              : WhyNot(outcome.status, fault, own, arrives);
      if (!why_not.empty()) return notes.Fail(absl::StrCat(why_not, ": ", what));
      failed.push_back(what);
      rounds = round + 2;
    }
  }
}

Site::Site(absl::string_view address, const Fault& fault, Notes& notes) {
  for (const bool again : {false, true}) {
    server_ = std::make_unique<Server>(ServerOptions{.transports = {&TheSubject().transport, 1}});
    server_->Register(service_);
    absl::Status begun = server_->Listen(address);
    if (begun.ok()) begun = server_->Start();
    if (begun.ok()) return;
    const std::string why_not =
        again ? "must succeed" : WhyNot(begun, fault, /*own=*/true, /*arrives=*/false);
    if (!why_not.empty()) notes.Fail(absl::StrCat(why_not, ": to serve: ", begun.ToString()));
    server_ = nullptr;
  }
}

Pipe::Pipe() {
  std::array<int, 2> ends;
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) ::abort();
  out_.reset(ends[0]);
  in_.reset(ends[1]);
}

void Pipe::Say(absl::string_view text) {
  while (::write(in_.get(), text.data(), text.size()) < 0 && errno == EINTR) {
  }
}

std::string Pipe::HearSome() {
  std::array<char, 256> bytes;
  ssize_t size = -1;
  do {
    size = ::read(out_.get(), bytes.data(), bytes.size());
  } while (size < 0 && errno == EINTR);
  return std::string(bytes.data(), static_cast<size_t>(std::max(size, ssize_t{0})));
}

std::string Pipe::Hear() {
  in_.reset();
  std::string text;
  for (std::string more = HearSome(); !more.empty(); more = HearSome()) text += more;
  return text;
}

void Pipe::Close() {
  in_.reset();
  out_.reset();
}

Findings Serve(const Fault& fault, Pipe& address, Pipe& over, Supervisor* supervisor) {
  Notes notes;
  if (supervisor != nullptr) supervisor->Exempt(over.out());
  const Site site(FreshAddress().ToString(), fault, notes);
  if (notes.failures().empty()) address.Say(site.address());
  address.Close();
  (void)over.Hear();
  return {.failures = notes.failures()};
}

Findings Call(const std::string& address, const Fault& fault, bool own) {
  Notes notes;
  MakeExchanges(DialSubject(address), fault, own, notes);
  return {.failures = notes.failures()};
}

Findings ServeAndCall(const Fault& fault) {
  Notes notes;
  const Site site(FreshAddress().ToString(), fault, notes);
  if (notes.failures().empty()) {
    MakeExchanges(DialSubject(site.address()), fault, /*own=*/true, notes);
  }
  return {.failures = notes.failures()};
}

}  // namespace nigh::testing

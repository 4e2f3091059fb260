#ifndef NIGH_EXAMPLES_INTERCEPTOR_INTERCEPTORS_H_
#define NIGH_EXAMPLES_INTERCEPTOR_INTERCEPTORS_H_

#include <atomic>
#include <iostream>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "nigh/nigh.h"

// Writes a line for each call, on either side: how it ended, and what passed.
template <class Call>
class Journal final : public nigh::Interceptor<Call> {
 public:
  explicit Journal(std::string side) : side_(std::move(side)) {}

  void OnFinish(Call& call, absl::Status& status) override {
    // One write, for many calls end at once.
    std::cout << absl::StrCat(side_, ": ", call.method(), ": ", call.sent(), " sent, ",
                              call.received(), " received, ",
                              absl::StatusCodeToString(status.code()),
                              call.elapsed() < absl::Seconds(10) ? "" : " after a long time", "\n");
  }

 private:
  const std::string side_;
};

// Has each call of a channel carry a token.
class BearToken final : public nigh::ClientInterceptor {
 public:
  explicit BearToken(std::string token) : token_(std::move(token)) {}

  absl::Status OnStart(nigh::InterceptedClientCall& call) override {
    call.sent_metadata().Add("authorization", absl::StrCat("Bearer ", token_));
    return absl::OkStatus();
  }

 private:
  const std::string token_;
};

// Lets no call through to a handler that does not carry it.
class CheckToken final : public nigh::ServerInterceptor {
 public:
  explicit CheckToken(const std::string& token) : expected_(absl::StrCat("Bearer ", token)) {}

  absl::Status OnStart(nigh::InterceptedServerCall& call) override {
    if (call.client_metadata().Get("authorization") == expected_) return absl::OkStatus();
    return absl::UnauthenticatedError("who are you?");
  }

 private:
  const std::string expected_;
};

// Answers every other call of a channel with an error, as if there had been no server: for the
// tests of those who have to cope with that.
class LoseHalf final : public nigh::ClientInterceptor {
 public:
  absl::Status OnStart(nigh::InterceptedClientCall& /*call*/) override {
    return ++calls_ % 2 == 0 ? absl::UnavailableError("lost on purpose") : absl::OkStatus();
  }

 private:
  std::atomic<int> calls_ = 0;
};

#endif  // NIGH_EXAMPLES_INTERCEPTOR_INTERCEPTORS_H_

#include "nigh/transports/shm/bells/ear.h"

#include <sched.h>
#include <sys/socket.h>

#include <atomic>
#include <cstdint>
#include <system_error>
#include <thread>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "nigh/runtime/base/signals_blocked.h"
#include "nigh/transports/shm/bell.h"

namespace nigh {
namespace {

constexpr uint32_t kOneForData = 1;
constexpr uint32_t kOneForRoom = uint32_t{1} << 16;

}  // namespace

Ear::~Ear() {
  if (!thread_.joinable()) return;
  // A child of fork(2) has inherited the object, not the thread.
  if (!birth_.is_this()) {
    LeaveToParent(thread_);
    return;
  }
  stopping_.store(true, std::memory_order_release);
  // Again and again: the thread may have looked at stopping_ before, and be about to block.
  while (!stopped_.load(std::memory_order_acquire)) {
    unblock_();
    sched_yield();
  }
  thread_.join();
}

absl::Status Ear::Listen(const std::atomic<uint32_t>& rung) {
  try {
    const SignalsBlocked blocked;
    thread_ = std::thread([this, &rung] { Run(rung); });
  } catch (const std::system_error& error) {
    return absl::UnavailableError(
        absl::StrCat("no thread to listen to a bell (use doorbell=eventfd): ", error.what()));
  }
  return absl::OkStatus();
}

void Ear::Run(const std::atomic<uint32_t>& rung) {
  uint32_t heard = 0;
  bool rings = true;
  while (rings && !stopping_.load(std::memory_order_acquire)) {
    // Acquire pairs with CountRing: who is woken now sees what the peer wrote before it rang.
    const uint32_t now = rung.load(std::memory_order_acquire);
    const uint32_t changed = now ^ heard;
    heard = now;
    if (changed % kOneForRoom != 0) sleepers_.Wake(BellLetter::kData);
    if (changed / kOneForRoom != 0) sleepers_.Wake(BellLetter::kRoom);
    rings = block_(heard);
  }
  if (!rings) ::shutdown(socket_, SHUT_RDWR);
  stopped_.store(true, std::memory_order_release);
}

void CountRing(std::atomic<uint32_t>& rung, BellLetter which) {
  rung.fetch_add(which == BellLetter::kData ? kOneForData : kOneForRoom, std::memory_order_release);
}

}  // namespace nigh

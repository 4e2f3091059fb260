#include "nigh/transports/shm/descriptor_letters.h"

#include <array>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "nigh/mutex.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transports/shm/bell.h"
#include "nigh/transports/stream/passed_descriptors.h"

namespace nigh {
namespace {

constexpr auto kWithDescriptors = std::byte{'f'};

}  // namespace

int DescriptorLetters::Send() {
  while (!attached_.empty()) {
    const ssize_t sent =
        SendWithDescriptors(socket_, ConstByteSpan(&kWithDescriptors, 1), *attached_.front());
    // What cannot be told to a peer that is gone need not be.
    if (sent < 0 && sent != -EPIPE && sent != -ECONNRESET) return static_cast<int>(-sent);
    attached_.pop_front();
  }
  return 0;
}

void DescriptorLetters::NoneUnderway() {
  underway_ = 0;
  for (size_t i = 0; i < attached_.size(); ++i) underway_ += attached_[i]->size();
}

DescriptorLetters::Letter DescriptorLetters::Break(absl::Status status) {
  status_ = std::move(status);
  return Letter::kBroken;
}

DescriptorLetters::Letter DescriptorLetters::Receive() {
  // One at a time: two threads would change their order.
  MutexLock lock(mutex_);
  std::array<std::byte, 2> bytes;
  // The sender that it may name has a descriptor, too, which goes with it.
  auto [size, descriptors, sender] = ReceiveMessage(socket_, ByteSpan(bytes));
  if (size == -EAGAIN) return Letter::kNone;
  if (size == -ECONNRESET) return Letter::kReset;
  if (size < 0) {
    return Break(absl::UnavailableError(std::generic_category().message(static_cast<int>(-size))));
  }
  if (size == 0 && descriptors == nullptr) return Letter::kEnd;
  if (descriptors != nullptr && !accepts()) {
    return Break(absl::InternalError("the peer sent descriptors, which nobody has asked for"));
  }
  if (size == 1 && descriptors == nullptr) {
    if (bytes[0] == static_cast<std::byte>(BellLetter::kData)) return Letter::kData;
    if (bytes[0] == static_cast<std::byte>(BellLetter::kRoom)) return Letter::kRoom;
  }
  if (size != 1 || descriptors == nullptr || bytes[0] != kWithDescriptors) {
    return Break(absl::InternalError("the peer sent a message that is no letter"));
  }
  descriptors->set_whose(peer_);
  descriptors->CountIn(count_);
  kept_count_ += descriptors->size();
  kept_.push_back(std::move(descriptors));
  if (kept_count_ > kMostKept || kept_.size() > kMostKept) {
    return Break(absl::InternalError("the peer sent descriptors that belong to no frame"));
  }
  if (absl::Status far = count_->Check(kFarTooMany); !far.ok()) return Break(std::move(far));
  return Letter::kDescriptors;
}

std::unique_ptr<Descriptors> DescriptorLetters::Open() {
  MutexLock lock(mutex_);
  if (kept_.empty()) return nullptr;
  std::unique_ptr<Descriptors> opened = std::move(kept_.front());
  kept_.pop_front();
  kept_count_ -= opened->size();
  return opened;
}

}  // namespace nigh

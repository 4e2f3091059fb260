#include "nigh/runtime/call/shared_memory.h"

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "nigh/message_extras.h"
#include "nigh/mutex.h"
#include "nigh/peer_identity.h"
#include "nigh/runtime/base/birth_process.h"
#include "nigh/runtime/base/mapping.h"
#include "nigh/runtime/base/sealed_memory.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {
namespace {

constexpr size_t kPage = 4096;
// The longest memory that is mapped, of a peer's.
constexpr uint64_t kMostBytes = uint64_t{1} << 30;
// And of all that one connection has.
constexpr uint64_t kMostMapped = uint64_t{4} << 30;

}  // namespace

absl::StatusOr<SharedBuffer> SharedBuffer::Create(size_t size) {
  if (size == 0 || size > kMostBytes) {
    return absl::InvalidArgumentError(
        absl::StrCat("SharedBuffer::Create: ", size, " bytes, where 1 to ", kMostBytes, " may be"));
  }
  absl::StatusOr<SealedMemory> memory = CreateSealedMemory((size + kPage - 1) / kPage * kPage);
  if (!memory.ok()) {
    return absl::ResourceExhaustedError(
        absl::StrCat("SharedBuffer::Create: ", size, " bytes: ", memory.status().message()));
  }
  auto shared = std::make_shared<SharedMemory>(*std::move(memory));
  const ByteSpan bytes = shared->bytes().first(size);
  return SharedBuffer(bytes, std::move(shared));
}

Attachment SharedBuffer::Share(size_t size) const {
  Attachment attachment(ConstByteSpan(bytes_).first(std::min(size, bytes_.size())),
                        memory_->Share());
  attachment.shared_ = memory_.get();
  return attachment;
}

bool SharedBuffer::IsFree() const { return memory_->IsFree(); }

bool Lent::IsBack() const {
  if (over_.load(std::memory_order_acquire)) return true;
  const uint32_t used = used_.load(std::memory_order_relaxed);
  const auto* const returns = reinterpret_cast<const ReturnsPage*>(page_->bytes().data());
  // Acquire pairs with the store of a Loan: whoever gave it back has read what is now overwritten.
  return returns->returned[number_].load(std::memory_order_acquire) == used;
}

std::shared_ptr<const void> SharedMemory::Share() {
  shares_.fetch_add(1, std::memory_order_relaxed);
  return {static_cast<const void*>(this), [memory = shared_from_this()](const void*) {
            // Release: what a reader of it has done, and what has been sent, is seen by IsFree.
            memory->shares_.fetch_sub(1, std::memory_order_release);
          }};
}

void SharedMemory::Add(std::shared_ptr<Lent> lent) {
  MutexLock lock(mutex_);
  DropEnded();
  lent_.push_back(std::move(lent));
}

void SharedMemory::DropEnded() {
  lent_.erase(std::remove_if(lent_.begin(), lent_.end(),
                             [](const auto& lent) { return lent.use_count() == 1; }),
              lent_.end());
}

bool SharedMemory::IsFree() {
  if (shares_.load(std::memory_order_acquire) != 0) return false;
  MutexLock lock(mutex_);
  DropEnded();
  return std::all_of(lent_.begin(), lent_.end(), [](const auto& lent) { return lent->IsBack(); });
}

std::shared_ptr<Lent> LentMemories::Find(const SharedMemory& memory) const {
  for (const std::shared_ptr<Lent>& lent : lent_) {
    if (lent != nullptr && lent->Is(memory.weak_from_this())) return lent;
  }
  return nullptr;
}

std::shared_ptr<Lent> LentMemories::Add(SharedMemory& memory) {
  const auto free = std::find_if(lent_.begin(), lent_.end(), [](const auto& lent) {
    return lent == nullptr || (lent->IsNoMore() && lent->IsBack());
  });
  if (free == lent_.end()) return nullptr;
  const std::shared_ptr<Lent> former = *free;
  *free = std::make_shared<Lent>(memory.weak_from_this(),
                                 static_cast<uint32_t>(free - lent_.begin()), page_);
  if (former != nullptr) (*free)->GoOnAfter(*former);
  memory.Add(*free);
  return *free;
}

bool LentMemories::SetReturns(std::shared_ptr<const Mapping> page) {
  if (page_ != nullptr) return false;
  page_ = std::move(page);
  return true;
}

void LentMemories::End() {
  for (std::shared_ptr<Lent>& lent : lent_) {
    if (lent != nullptr) lent->End();
    lent = nullptr;
  }
}

// What has been borrowed once.
class BorrowedMemories::Loan {
 public:
  Loan(std::shared_ptr<const Mapping> memory, std::shared_ptr<const Mapping> page, uint32_t number)
      : memory_(std::move(memory)), page_(std::move(page)), number_(number) {}
  Loan(const Loan&) = delete;
  Loan& operator=(const Loan&) = delete;
  ~Loan() {
    // In a child of fork(2), the parent has it still.
    if (!birth_.is_this()) return;
    auto* const returns = reinterpret_cast<ReturnsPage*>(page_->bytes().data());
    // Release: the bytes have been read when their owner writes there again.
    returns->returned[number_].fetch_add(1, std::memory_order_release);
  }

 private:
  const BirthProcess birth_;
  const std::shared_ptr<const Mapping> memory_;
  const std::shared_ptr<const Mapping> page_;
  const uint32_t number_;
};

absl::StatusOr<std::unique_ptr<BorrowedMemories>> BorrowedMemories::Make(
    const PeerIdentity& owner) {
  absl::StatusOr<SealedMemory> page = CreateSealedMemory(kReturnsSize);
  if (!page.ok()) return page.status();
  new (page->mapping.bytes().data()) ReturnsPage();
  return std::unique_ptr<BorrowedMemories>(new BorrowedMemories(
      owner, std::make_shared<const Mapping>(std::move(page->mapping)), std::move(page->fd)));
}

absl::Status BorrowedMemories::Take(uint32_t number, uint64_t size, int fd) {
  if (number >= kMostMemories || size == 0 || size > kMostBytes || size % kPage != 0) {
    return absl::InternalError(
        absl::StrCat("MEMORY frame of memory ", number, " of ", size, " bytes"));
  }
  if (!of_same_user_.has_value()) of_same_user_ = IsSameUser(owner_);
  Memory& memory = memories_[number];
  if (memory.mapping != nullptr) mapped_ -= memory.size;
  memory = {.mapping = nullptr, .size = size};
  if (fd < 0 || mapped_ + size > kMostMapped) return absl::OkStatus();
  absl::StatusOr<Mapping> mapping = AttachSealedMemory(fd, size);
  if (absl::IsInvalidArgument(mapping.status())) {
    return absl::InternalError(mapping.status().message());
  }
  if (!mapping.ok()) return absl::OkStatus();
  memory.mapping = std::make_shared<const Mapping>(*std::move(mapping));
  mapped_ += size;
  return absl::OkStatus();
}

absl::StatusOr<Attachment> BorrowedMemories::Borrow(const SharedPart& part) {
  const Memory none;
  const Memory& memory = part.memory < kMostMemories ? memories_[part.memory] : none;
  if (part.size > memory.size || part.offset > memory.size - part.size) {
    return absl::InternalError(absl::StrCat("an attachment of ", part.size, " bytes at ",
                                            part.offset, " of memory ", part.memory, ", which has ",
                                            memory.size));
  }
  auto loan = std::make_shared<const Loan>(memory.mapping, page_, part.memory);
  if (memory.mapping == nullptr) {
    return absl::ResourceExhaustedError(
        absl::StrCat("this process has no room for shared memory of ", memory.size,
                     " bytes that an attachment is in (raise its limits, ulimit -n and -v)"));
  }
  const ConstByteSpan bytes =
      ConstByteSpan(memory.mapping->bytes()).subspan(part.offset, part.size);
  return Attachment(bytes, std::move(loan));
}

}  // namespace nigh

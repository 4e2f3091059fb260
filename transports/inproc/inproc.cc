#include "nigh/transports/inproc/inproc.h"

#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/algorithm/container.h"
#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "nigh/mutex.h"
#include "nigh/runtime/base/duplicate_fd.h"
#include "nigh/transport/address.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/transport.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transport/waiter.h"
#include "nigh/transports/inproc/doorbell.h"
#include "nigh/transports/inproc/frame_queue.h"

namespace nigh {
namespace {

PeerIdentity ThisProcess(std::string address) {
  return PeerIdentity{.address = std::move(address),
                      .medium = "this process",
                      .uid = ::geteuid(),
                      .gid = ::getegid(),
                      .pid = ::getpid()};
}

class InprocConnection final : public Connection, private DescriptorLane {
 public:
  InprocConnection(std::string address, std::shared_ptr<FrameQueue> out,
                   std::shared_ptr<FrameQueue> in)
      : peer_(ThisProcess(std::move(address))), out_(std::move(out)), in_(std::move(in)) {}
  ~InprocConnection() override { Close(); }

  std::optional<ByteSpan> Claim(size_t payload) override { return out_->Claim(payload); }
  void Commit(const FrameHeader& header) override { out_->Commit(header); }

  Flushed Flush() override { return out_->Flush() ? Flushed::kAll : Flushed::kEnded; }

  Received Receive(absl::Span<Frame> frames) override { return in_->Receive(frames); }
  void Release(size_t count) override { in_->Release(count); }
  const std::atomic<uint64_t>* arrivals() const override { return &in_->flushes(); }

  absl::Status End(Interest direction) const override {
    const bool sends = direction == Interest::kSend;
    if (!(sends ? *out_ : *in_).closed()) return absl::OkStatus();
    return absl::UnavailableError(
        absl::StrCat(peer_.address, sends ? ": send: " : ": receive: ",
                     closed_here_.load(std::memory_order_relaxed) ? "this side" : "the peer",
                     " closed the connection"));
  }

  Wake Arm(Interest interest) override {
    return interest == Interest::kSend ? out_->ArmWriter() : in_->ArmReader();
  }

  Waiter::PollCost poll_cost() const override { return Waiter::PollCost::kCheap; }

  void Close() override {
    closed_here_.store(true, std::memory_order_relaxed);
    out_->Close();
    in_->Close();
  }

  size_t max_payload() const override { return FrameQueue::kMaxPayload; }
  DescriptorLane* descriptors() override { return this; }
  const PeerIdentity& peer() const override { return peer_; }

 private:
  void Accept(std::shared_ptr<DescriptorCount> count) override { count_ = std::move(count); }
  // Each side closes its own.
  void Attach(std::shared_ptr<const Descriptors> descriptors) override {
    std::vector<UniqueFd> copies;
    for (size_t i = 0; i < descriptors->size(); ++i) {
      copies.push_back(DuplicateFd((*descriptors)[i].get()));
    }
    const bool complete = absl::c_all_of(copies, [](const UniqueFd& fd) { return bool(fd); });
    out_->Put(std::make_unique<Descriptors>(std::move(copies), complete));
  }
  std::unique_ptr<Descriptors> Take() override {
    std::unique_ptr<Descriptors> taken = in_->TakeDescriptors();
    if (taken != nullptr) {
      taken->set_whose(peer_.uid);
      taken->CountIn(count_);
    }
    return taken;
  }

  const PeerIdentity peer_;
  const std::shared_ptr<FrameQueue> out_, in_;
  std::atomic<bool> closed_here_ = false;
  std::shared_ptr<DescriptorCount> count_;
};

absl::StatusOr<std::shared_ptr<FrameQueue>> MakeQueue(absl::string_view where) {
  absl::StatusOr<Doorbell> reader = Doorbell::Create(where);
  if (!reader.ok()) return reader.status();
  absl::StatusOr<Doorbell> writer = Doorbell::Create(where);
  if (!writer.ok()) return writer.status();
  return std::make_shared<FrameQueue>(*std::move(reader), *std::move(writer));
}

class InprocListener;

// The names that are listened on in this process.
struct Registry {
  static Registry& Get() {
    static Registry& registry = *new Registry;
    return registry;
  }

  Mutex mutex;
  absl::flat_hash_map<std::string, InprocListener*> listeners ABSL_GUARDED_BY(mutex);
};

class InprocListener final : public Listener {
 public:
  InprocListener(const Address& address, Doorbell doorbell)
      : address_(address), doorbell_(std::move(doorbell)) {}

  ~InprocListener() override {
    MutexLock lock(registry_.mutex);
    // Absent when the name was taken, and this listener never came to be.
    const auto entry = registry_.listeners.find(address_.name);
    if (entry != registry_.listeners.end() && entry->second == this) {
      registry_.listeners.erase(entry);
    }
  }

  absl::StatusOr<std::unique_ptr<Connection>> Accept() override {
    MutexLock lock(registry_.mutex);
    if (arrived_.empty()) return nullptr;
    std::unique_ptr<Connection> connection = std::move(arrived_.front());
    arrived_.pop_front();
    return connection;
  }

  Wake Arm() override {
    MutexLock lock(registry_.mutex);
    return arrived_.empty() ? doorbell_.Arm() : Wake::Ready();
  }

  const Address& address() const override { return address_; }

  // Under the registry's mutex. False: too many wait already.
  bool Arrive(std::unique_ptr<Connection> connection) {
    constexpr size_t kMostWaiting = 1024;
    if (arrived_.size() == kMostWaiting) return false;
    arrived_.push_back(std::move(connection));
    doorbell_.Ring();
    return true;
  }

 private:
  const Address address_;
  Registry& registry_ = Registry::Get();
  Doorbell doorbell_;                                // guarded by the registry's mutex
  std::deque<std::unique_ptr<Connection>> arrived_;  // likewise
};

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> DialInproc(const Address& address) {
  if (absl::Status status = address.CheckParameters({}); !status.ok()) return status;
  const std::string where = address.ToString();
  absl::StatusOr<std::shared_ptr<FrameQueue>> there = MakeQueue(where);
  if (!there.ok()) return there.status();
  absl::StatusOr<std::shared_ptr<FrameQueue>> back = MakeQueue(where);
  if (!back.ok()) return back.status();

  Registry& registry = Registry::Get();
  MutexLock lock(registry.mutex);
  const auto entry = registry.listeners.find(address.name);
  if (entry == registry.listeners.end()) {
    return absl::UnavailableError(absl::StrCat(
        where, ": connect: nobody listens on that name in this process (is the server running?)"));
  }
  if (!entry->second->Arrive(std::make_unique<InprocConnection>(where, *back, *there))) {
    return absl::UnavailableError(
        absl::StrCat(where,
                     ": connect: the server's queue of new connections is full (does it "
                     "take them in?)"));
  }
  return std::make_unique<InprocConnection>(where, *there, *back);
}

absl::StatusOr<std::unique_ptr<Listener>> ListenInproc(const Address& address) {
  if (absl::Status status = address.CheckParameters({}); !status.ok()) return status;
  const std::string where = address.ToString();
  absl::StatusOr<Doorbell> doorbell = Doorbell::Create(where);
  if (!doorbell.ok()) return doorbell.status();
  auto listener = std::make_unique<InprocListener>(address, *std::move(doorbell));
  Registry& registry = Registry::Get();
  {
    MutexLock lock(registry.mutex);
    if (registry.listeners.try_emplace(address.name, listener.get()).second) return listener;
  }
  return absl::AlreadyExistsError(
      absl::StrCat(where, ": listen: a server of this process is there (choose another name)"));
}

}  // namespace nigh

// The life of a session's calls between requests, and who is told when none is left.

#include <atomic>
#include <cstdint>
#include <memory>
#include <utility>

#include "nigh/mutex.h"
#include "nigh/runtime/loop/poller.h"
#include "nigh/runtime/server/call_count.h"
#include "nigh/runtime/server/server_call.h"
#include "nigh/runtime/server/server_session.h"

namespace nigh {

std::unique_ptr<ServerCall> ServerSession::NewCall(uint16_t method) {
  DeclaredMethod& declared = methods_[method];
  if (declared.spare.empty()) KeepReturned();
  if (!declared.spare.empty()) {
    std::unique_ptr<ServerCall> call = std::move(declared.spare.back());
    declared.spare.pop_back();
    --spares_;
    return call;
  }
  auto call = std::make_unique<ServerCall>(*this, *declared.method, declared.description(), method);
  MutexLock lock(mutex_);
  call->index = all_.size();
  all_.push_back(call.get());
  return call;
}

void ServerSession::Keep(std::unique_ptr<ServerCall> call) {
  const uint32_t id = call->id();
  if (id < calls_.size() && calls_[id] == call.get()) calls_[id] = nullptr;
  if (spares_ >= kSpareCalls) return Destroy(std::move(call));
  call->ChargeSpare();
  // It was away when the rest was let go of.
  if (call->spare_bytes() != 0 && cooling_.IsDue()) call->DropMessages();
  call->Renew();
  methods_[call->method_id()].spare.push_back(std::move(call));
  ++spares_;
}

void ServerSession::KeepReturned() {
  returns_.store(0, std::memory_order_relaxed);
  if (returned_.load(std::memory_order_relaxed) == nullptr) return;
  ServerCall* call = returned_.exchange(nullptr, std::memory_order_acquire);
  while (call != nullptr) {
    ServerCall* const next = call->next;
    Keep(std::unique_ptr<ServerCall>(call));
    call = next;
  }
}

void ServerSession::Return(std::unique_ptr<ServerCall> call) {
  // The role may come for it late.
  call->ChargeSpare();
  const bool large = call->spare_bytes() != 0;
  ServerCall* const returned = call.release();
  returned->next = returned_.load(std::memory_order_relaxed);
  while (!returned_.compare_exchange_weak(returned->next, returned, std::memory_order_release,
                                          std::memory_order_relaxed)) {
  }
  // More than are kept, or what is due: the role need not wait for a request before it lets go.
  const bool many = returns_.fetch_add(1, std::memory_order_relaxed) == kSpareCalls;
  if (!many && !(large && cooling_.IsDue())) return;
  poller().Post(&poller(), [self = shared_from_this()] { self->KeepReturned(); });
}

bool ServerSession::KeepsSpare(size_t bytes) {
  if (!link_.account()->MayKeepSpare(bytes)) return false;
  cooling_.Use(weak_from_this());
  return true;
}

bool ServerSession::Cool() {
  KeepReturned();
  // One at a time: a message may be a million objects.
  for (DeclaredMethod& declared : methods_) {
    for (const std::unique_ptr<ServerCall>& call : declared.spare) {
      if (call->spare_bytes() == 0) continue;
      call->DropMessages();
      return true;
    }
  }
  assembler_.Trim();
  ChargeAssembler();
  switch (link_.sender().Trim()) {
    case Trimmed::kAll:
      return false;
    case Trimmed::kHeld:
      cooling_.Use(weak_from_this());
      return false;
    case Trimmed::kMore:
      break;
  }
  return true;
}

void ServerSession::Destroy(std::unique_ptr<ServerCall> call) {
  MutexLock lock(mutex_);
  all_.back()->index = call->index;
  all_[call->index] = all_.back();
  all_.pop_back();
}

void ServerSession::TakeBack(std::unique_ptr<ServerCall> call, bool in_role) {
  in_role ? Keep(std::move(call)) : Return(std::move(call));
  Uncount();
}

void ServerSession::Uncount() {
  if (count_.TryRemove()) return;
  const std::shared_ptr<ServerSession> self = shared_from_this();
  count_.Remove();
  NotifyIdle();
}

void ServerSession::NotifyIdle() {
  if (!count_.none()) return;
  // OnEnd comes last: the server lets go of the session in it.
  if (count_.Is(CallCount::kDraining) && on_drained_) on_drained_();
  if (count_.Is(CallCount::kEnded) && !end_notified_.exchange(true) && on_end_) on_end_();
}

}  // namespace nigh

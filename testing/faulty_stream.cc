#include "nigh/testing/faulty_stream.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "nigh/testing/fault_lane.h"
#include "nigh/testing/fault_script.h"
#include "nigh/testing/gate.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/stream/byte_stream.h"

namespace nigh::testing {
namespace {

void Open(std::optional<Gate>& gate) {
  if (gate.has_value()) gate->Open();
}

}  // namespace

FaultyStream::FaultyStream(std::unique_ptr<ByteStream> stream, ConnectionFaults faults,
                           const std::shared_ptr<FaultyLink>& link)
    : ForwardingStream(std::move(stream)),
      link_(link),
      in_(std::move(faults.in), faults.nuisance, link, link->record->in),
      out_(std::move(faults.out), faults.nuisance, link, link->record->out) {
  if (in_.may_hold()) in_gate_.emplace().Watch(ForwardingStream::read_fd(), POLLIN);
  if (out_.may_hold()) {
    out_gate_.emplace().Watch(ForwardingStream::write_fd(), ForwardingStream::write_events());
  }
}

ssize_t FaultyStream::Read(ByteSpan to) {
  using Step = FaultLane::Step;
  for (;;) {
    const Step step = in_.Next(1, /*whole=*/false);
    if (step == Step::kHeld) {
      in_gate_->Hold(in_.held_until());
      return -EAGAIN;
    }
    Open(in_gate_);
    switch (step) {
      case Step::kHeld:
      case Step::kNothing:
        return -EAGAIN;
      case Step::kCut:
        Shutdown();
        return 0;
      case Step::kEnd:
        return 0;
      case Step::kPass: {
        const ssize_t count = ForwardingStream::Read(to.first(in_.Room(to.size())));
        if (count > 0) in_.Passed(static_cast<size_t>(count));
        return count;
      }
      case Step::kLose:
      case Step::kCorrupt:
        break;
    }
    const ssize_t count = ForwardingStream::Read(to.first(1));
    if (count <= 0) return count;
    in_.Passed(1);
    in_.Done();
    if (step == Step::kLose) continue;
    to[0] = ~to[0];
    return 1;
  }
}

ssize_t FaultyStream::WriteMaybeWith(ConstByteSpan from, const Descriptors* descriptors) {
  using Step = FaultLane::Step;
  const Step step = out_.Next(1, /*whole=*/false);
  if (step == Step::kHeld) {
    out_gate_->Hold(out_.held_until());
    return -EAGAIN;
  }
  Open(out_gate_);
  switch (step) {
    case Step::kPass: {
      const ssize_t count = Forward(from.first(out_.Room(from.size())), descriptors);
      if (count > 0) out_.Passed(static_cast<size_t>(count));
      return count;
    }
    case Step::kHeld:
    case Step::kNothing:
      return -EAGAIN;
    case Step::kLose:
      break;
    case Step::kCorrupt: {
      const std::byte corrupt = ~from[0];
      const ssize_t count = Forward(ConstByteSpan(&corrupt, 1), descriptors);
      if (count <= 0) return count;
      break;
    }
    case Step::kCut:
      Shutdown();
      return -EPIPE;
    case Step::kEnd:
      EndWriting();
      return static_cast<ssize_t>(from.size());
  }
  out_.Passed(1);
  out_.Done();
  return 1;
}

std::optional<std::string> FaultyStream::PeerEnd() {
  if (link_->cut.load(std::memory_order_acquire)) return std::string(kCutMessage);
  return ForwardingStream::PeerEnd();
}

void FaultyStream::EndWriting() {
  if (std::exchange(writing_ended_, true)) return;
  const int fd = ForwardingStream::write_fd();
  if (::shutdown(fd, SHUT_WR) == 0 || errno != ENOTSOCK) return;
  // The end of a pipe closes when its last descriptor does.
  const UniqueFd nowhere(::open("/dev/null", O_WRONLY | O_CLOEXEC));
  (void)::dup3(nowhere.get(), fd, O_CLOEXEC);
}

int FaultyStream::read_fd() const {
  return in_gate_.has_value() ? in_gate_->fd() : ForwardingStream::read_fd();
}

int FaultyStream::write_fd() const {
  return out_gate_.has_value() ? out_gate_->fd() : ForwardingStream::write_fd();
}

short FaultyStream::write_events() const {
  return out_gate_.has_value() ? POLLIN : ForwardingStream::write_events();
}

}  // namespace nigh::testing

// What a peer sends through the socket beside rings (shm/descriptor_letters.h), and what this side
// sends there: a byte of settings, then steps. A model says what each letter is. The socket is a
// real one, so an input is some ten system calls, and each letter two more; what closes descriptors
// elsewhere starts a thread for it.

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/shm/bell.h"
#include "nigh/transports/shm/descriptor_letters.h"
#include "nigh/transports/stream/passed_descriptors.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/open_descriptors.h"
#include "tests/fuzz/sent_fds.h"

namespace nigh::testing {
namespace {

using Letter = DescriptorLetters::Letter;

// The byte of settings.
enum Settings : uint8_t {
  kAccepts = 1,
  kTight = 2,     // this process may have few more descriptors
  kGenerous = 4,  // the peer may have many open
};

constexpr char kData = static_cast<char>(BellLetter::kData);
constexpr char kRoom = static_cast<char>(BellLetter::kRoom);
// Descriptors that may be under way before the peer has read all that was sent, when more go.
constexpr size_t kMostUnderway = 256;
// What may be kept ahead of frames, letters and descriptors; one letter more is looked at.
constexpr size_t kMostKept = kMostUnderway + kMostDescriptors;
// More are open than the limit, but not far too many.
constexpr size_t kMost = 40;
constexpr size_t kGenerousMost = 1000;

struct Message {
  std::string bytes;
  SentFds fds;
};

size_t Sum(const std::deque<SentFds>& sets) {
  size_t sum = 0;
  for (const SentFds& fds : sets) sum += fds.count;
  return sum;
}

class Correspondence {
 public:
  Correspondence(uint8_t settings, const ExtraDescriptors& extra)
      : accepts_((settings & kAccepts) != 0),
        far_(kFarTooMany * ((settings & kGenerous) != 0 ? kGenerousMost : kMost)),
        extra_(extra) {
    std::array<int, 2> ends;
    Expect(
        ::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends.data()) == 0,
        "there are sockets");
    socket_.reset(ends[0]);
    peer_.reset(ends[1]);
    letters_.emplace(socket_.get(), std::nullopt);
    if (accepts_) letters_->Accept(count_);
    if ((settings & kTight) != 0) tight_.emplace(6);
  }
  ~Correspondence() {
    letters_.reset();
    // As ShmConnection does.
    CloseElsewhere(std::nullopt, std::move(socket_));
    opened_.clear();
    AwaitClosings();
    Expect(count_->count() == 0, "what is no more does not count");
  }

  bool broken() const { return broken_; }

  // The peer's.
  void Write(Message message) {
    if (!peer_ || SendMessage(peer_.get(), message.bytes, message.fds) < 0) return;
    arriving_.push_back(std::move(message));
  }
  void HangUp() {
    if (!peer_) return;
    // Descriptors that nobody has read are closed with the last of the socket.
    peer_.reset();
    reset_ = !left_.empty();
    hung_up_ = true;
  }
  void Read() {
    if (!peer_ || left_.empty() || stuck_) return;
    std::array<std::byte, 2> bytes;
    auto [size, descriptors, sender] = ReceiveMessage(peer_.get(), ByteSpan(bytes));
    Expect(size == 1 && bytes[0] == std::byte{'f'} && descriptors != nullptr,
           "this side's letters bring descriptors");
    Expect(left_.front().Are(*descriptors), "they are those of the next frame");
    left_.pop_front();
  }

  // This side's.
  void Attach(SentFds fds) {
    if (fds.empty() || tight_.has_value() || stuck_) return;
    if (!letters_->HasRoom() && left_.empty()) {
      letters_->NoneUnderway();
      underway_ = Sum(attached_);
    }
    Expect(letters_->HasRoom() == (underway_ < kMostUnderway), "so many may be under way");
    if (!letters_->HasRoom()) return;
    letters_->Attach(fds.Copies());
    attached_.push_back(fds);
    underway_ += fds.count;
    own_ += fds.count;
  }
  void Send() {
    const int error = letters_->Send();
    Expect((error == 0) != letters_->has_attached(), "what is left is told of");
    Expect(error == 0 || error == ETOOMANYREFS, "there is room for letters in the socket");
    // The system tells of a reset once.
    if (!attached_.empty()) reset_ = false;
    // How many have been sent is not known any more.
    if (error != 0) stuck_ = true;
    if (stuck_) return;
    if (!hung_up_) left_.insert(left_.end(), attached_.begin(), attached_.end());
    attached_.clear();
  }
  void Receive() {
    // What is being closed counts.
    AwaitClosings();
    const Letter letter = letters_->Receive();
    if (reset_) {
      Expect(letter == Letter::kReset, "a reset is told of before what had been sent");
      reset_ = false;
      return;
    }
    if (arriving_.empty()) {
      Expect(letter == (hung_up_ ? Letter::kEnd : Letter::kNone), "there is no letter");
      return;
    }
    const Message message = std::move(arriving_.front());
    arriving_.pop_front();
    const absl::StatusOr<Letter> expected = Expected(message);
    Expect(letter == (expected.ok() ? *expected : Letter::kBroken),
           "it is the letter that was sent");
    Expect(letters_->status().code() == expected.status().code(), "what ends it says why");
    broken_ = letter == Letter::kBroken;
    // And the sockets.
    Expect(extra_.AreAtMost(
               static_cast<int>(std::min(far_, kMostKept + Sum(opened_fds_)) + kMostDescriptors) +
               own_ + 2),
           "no more descriptors are kept than that");
    if (!broken_) CheckCount();
  }
  void Open() {
    std::unique_ptr<Descriptors> opened = letters_->Open();
    Expect((opened == nullptr) == kept_.empty(), "what has been kept can be opened");
    if (opened == nullptr) return;
    Expect(opened->complete() || tight_.has_value(), "a letter comes whole");
    Expect(kept_.front().Are(*opened), "it has brought what was sent");
    opened_fds_.push_back(kept_.front());
    opened_.push_back(std::move(opened));
    kept_.pop_front();
  }
  // Of what has been opened, the oldest.
  void Drop() {
    if (opened_.empty()) return;
    opened_.pop_front();
    opened_fds_.pop_front();
    AwaitClosings();
    CheckCount();
  }

 private:
  void CheckCount() {
    const size_t open = Sum(kept_) + Sum(opened_fds_);
    Expect(tight_.has_value() ? count_->count() <= open : count_->count() == open,
           "what has come counts until it is closed");
  }
  // Keeps what a letter brings. An error: it is the last one.
  absl::StatusOr<Letter> Expected(const Message& message) {
    if (message.bytes.empty() && message.fds.empty()) return Letter::kEnd;
    if (message.fds.empty() && message.bytes.size() == 1) {
      if (message.bytes[0] == kData) return Letter::kData;
      if (message.bytes[0] == kRoom) return Letter::kRoom;
    }
    if (!accepts_ || message.fds.empty() || message.bytes != "f") {
      return absl::InternalError("no letter");
    }
    kept_.push_back(message.fds);
    if (kept_.size() > kMostKept) return absl::InternalError("letters of no frame");
    // Where there is no room for them, fewer have come.
    if (tight_.has_value()) return Letter::kDescriptors;
    if (Sum(kept_) > kMostKept) return absl::InternalError("descriptors of no frame");
    if (Sum(kept_) + Sum(opened_fds_) > far_) return absl::ResourceExhaustedError("far too many");
    return Letter::kDescriptors;
  }

  const bool accepts_;
  const size_t far_;  // many descriptors may be open
  const ExtraDescriptors& extra_;
  const std::shared_ptr<DescriptorCount> count_ = std::make_shared<DescriptorCount>(
      DescriptorCount::Limit{.whose = "fuzz", .most = far_ / kFarTooMany});
  UniqueFd socket_, peer_;
  std::optional<DescriptorLetters> letters_;
  std::optional<TightLimit> tight_;
  std::deque<Message> arriving_;
  std::deque<SentFds> kept_, attached_;
  std::deque<std::unique_ptr<Descriptors>> opened_;
  std::deque<SentFds> opened_fds_;  // what is in these
  std::deque<SentFds> left_;        // sent by this side, and not read yet
  size_t underway_ = 0;             // descriptors in what is attached, and may be in letters
  int own_ = 0;                     // descriptors that this side has attached, at most
  bool stuck_ = false;              // the system passes no more
  bool hung_up_ = false;
  bool reset_ = false;
  bool broken_ = false;
};

void Step(Correspondence& correspondence, Input& input) {
  switch (input.Take() % 10) {
    case 0: {
      std::string bytes(input.TakeText(input.Take()));
      return correspondence.Write({std::move(bytes), SentFds::From(input)});
    }
    case 1:
      return correspondence.Write({"f", SentFds::From(input)});
    case 2:
      return correspondence.Write({std::string(1, input.Take() % 2 == 0 ? kData : kRoom), {}});
    case 3: {  // a flood
      const SentFds fds = SentFds::From(input);
      const int letters = fds.empty() ? 0 : input.Take() % (1300 / fds.count);
      for (int i = 0; i < letters && !correspondence.broken(); ++i) {
        correspondence.Write({"f", fds});
        correspondence.Receive();
      }
      return;
    }
    case 4:
    case 5:
      return correspondence.Receive();
    case 6:
      return correspondence.Open();
    case 7:
      return correspondence.Attach(SentFds::From(input));
    case 8:
      return correspondence.Send();
    default:
      switch (input.Take() % 4) {
        case 0:
          return correspondence.HangUp();
        case 1:
          return correspondence.Drop();
        default:
          return correspondence.Read();
      }
  }
}

}  // namespace
}  // namespace nigh::testing

int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace nigh;           // NOLINT(google-build-using-namespace)
  using namespace nigh::testing;  // NOLINT(google-build-using-namespace)
  SentFds::Make();
  const ExtraDescriptors extra;
  {
    Input input(data, size);
    Correspondence correspondence(input.Take(), extra);
    while (!input.empty() && !correspondence.broken()) Step(correspondence, input);
  }
  Expect(extra.AreNone(), "descriptors leak");
  return 0;
}

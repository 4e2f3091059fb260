#ifndef NIGH_TESTS_SHM_RAW_PEER_H_
#define NIGH_TESTS_SHM_RAW_PEER_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/shm/control_page.h"
#include "nigh/transports/shm/memory.h"
#include "nigh/transports/shm/offer.h"

namespace nigh::testing {

// The bytes of an offer, to be made wrong in some way.
struct OfferBytes {
  std::string magic = "nigh shm";
  uint16_t version = kOfferVersion;
  uint8_t memory = 1;
  uint8_t bells = 0;
  uint32_t ring_size = 128 * 1024;
  int32_t id = -1;
  std::string bell = std::string(12, '\0');
  uint32_t bulk_size = 0;
  int32_t bulk_id = -1;
  std::string rest = {};

  std::string Encode() const;
};

// Another handle of the same memory.
MemoryHandle Duplicate(const MemoryHandle& handle);
// A file of memory as nigh's own, or with the seals and size that a test wants.
UniqueFd MakeMemfd(size_t size, int seals);
// All seals that nigh asks for.
extern const int kAllSeals;

// One end of an shm connection, played by hand. Nothing that it does fails a test: a connection
// that the other side has given up takes nothing any more.
class RawPeer {
 public:
  // Connects to the socket at `path`.
  explicit RawPeer(const std::string& path);
  // Over a socket that is connected already.
  explicit RawPeer(UniqueFd socket) : socket_(std::move(socket)) {}

  bool connected() const { return socket_.get() >= 0; }
  int socket() const { return socket_.get(); }

  // One message, with descriptors.
  bool Send(absl::string_view bytes, const std::vector<int>& descriptors = {});

  // Waits for the other side's offer and attaches its memory. False: there is none.
  bool Attach();
  // Makes memory and offers it as an honest peer would, but with letters for bells.
  // With a bulk region, if it has a size.
  bool Offer(uint32_t ring_size = 128 * 1024, uint32_t bulk_size = 0);
  // This side's memory, as offered: to be written in any way.
  ControlPage& page() { return *reinterpret_cast<ControlPage*>(memory_.mapping.bytes().data()); }
  ByteSpan data() { return memory_.mapping.bytes().subspan(kControlSize); }
  ByteSpan bulk() { return bulk_.mapping.bytes(); }
  const ControlPage& their_page() const {
    return *reinterpret_cast<const ControlPage*>(their_memory_.bytes().data());
  }

  // The next message of one byte; 0 at the end of the connection.
  char NextLetter();
  void HangUp() { socket_.reset(); }

 private:
  UniqueFd socket_;
  OwnMemory memory_;
  OwnMemory bulk_;
  Mapping their_memory_;
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_SHM_RAW_PEER_H_

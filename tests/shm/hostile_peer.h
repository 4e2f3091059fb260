#ifndef NIGH_TESTS_SHM_HOSTILE_PEER_H_
#define NIGH_TESTS_SHM_HOSTILE_PEER_H_

#include <cstdint>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "tests/shm/raw_peer.h"

namespace nigh::testing {

// Connects to a server's socket again and again, and does its worst each time: memory that is not
// what was said, positions, headers and bytes that lie or change, bells in a storm.
//
// The same seed does the same things in the same order; what the server makes of what races with it
// differs.
class HostilePeer {
 public:
  HostilePeer(std::string path, uint64_t seed) : path_(std::move(path)), random_(seed) {}

  // Connects once. Returns whatever came of it.
  void Round();

 private:
  static constexpr uint32_t kRing = 128 * 1024;
  static constexpr uint32_t kBulk = 1024 * 1024;

  uint64_t Pick(uint64_t below) { return random_() % below; }
  // Mostly near what is allowed.
  uint64_t Position();
  bool Meet(RawPeer& peer) { return peer.Offer(kRing, Pick(2) == 0 ? kBulk : 0) && peer.Attach(); }
  void MeetWrongly(RawPeer& peer);
  void DieWhileMeeting(RawPeer& peer);
  void WriteNoise(RawPeer& peer);
  void MoveWrongly(RawPeer& peer);
  void LieInHeaders(RawPeer& peer);
  // About payloads that lie elsewhere, and which of the other side's it has given back.
  void LieAboutBulk(RawPeer& peer);
  void RingInAStorm(RawPeer& peer);
  // An honest beginning of a call, whose bytes change while the server reads them.
  void SpeakAndRewrite(RawPeer& peer);
  void SendHello(RawPeer& peer);
  void Kick(RawPeer& peer) { (void)peer.Send("d"); }

  const std::string path_;
  std::mt19937_64 random_;
  std::vector<RawPeer> idle_;
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_SHM_HOSTILE_PEER_H_

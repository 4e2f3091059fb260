// What hostile peers do with descriptors beside rings: see hostile_test.cc.

#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "nigh/transport/frame.h"
#include "nigh/transports/shm/ring.h"
#include "tests/fds/hostile_fixture.h"
#include "tests/hostile/raw_peer.h"
#include "tests/shm/raw_peer.h"

namespace nigh::testing {
namespace {

using ::testing::HasSubstr;

class HostileShmFdsTest : public HostileFdsTest {
 protected:
  // Has met the server and said what `frames` say.
  RawPeer Meet(const std::vector<std::string>& frames) {
    RawPeer peer(shm_path());
    EXPECT_TRUE(peer.Offer());
    EXPECT_TRUE(peer.Attach());
    // A letter where nobody sleeps yet would be a storm.
    if (!frames.empty()) Say(peer, frames);
    return peer;
  }
  static void Say(RawPeer& peer, const std::vector<std::string>& frames) {
    for (const std::string& frame : frames) {
      std::memcpy(peer.data().data() + peer.page().tail, frame.data(), frame.size());
      const size_t payload = frame.size() - kFrameHeaderSize;
      peer.page().tail = peer.page().tail + RecordSize(payload);
    }
    (void)peer.Send("d");
  }
  static std::vector<std::string> Greeting() {
    return {hostile::HelloBytes(), hostile::MethodBytes(kUnary, "/nigh.testing.Vault/Unary"),
            hostile::MethodBytes(kPlain, "/nigh.testing.Vault/Plain")};
  }
};

TEST_F(HostileShmFdsTest, NoneWhereSomeWereSaidEndTheConnection) {
  std::vector<std::string> frames = Greeting();
  frames.push_back(RequestWith(0, kUnary, 1, ParcelBytes(1)));
  const RawPeer peer = Meet(frames);
  EXPECT_THAT(NextError(), HasSubstr("of which none has come"));
}

TEST_F(HostileShmFdsTest, OtherNumbersThanSaidEndTheConnection) {
  Witness witness;
  RawPeer peer = Meet({});
  ASSERT_TRUE(peer.Send("f", {witness.fd(), witness.fd()}));
  std::vector<std::string> frames = Greeting();
  frames.push_back(RequestWith(0, kUnary, 1, ParcelBytes(1)));
  Say(peer, frames);
  EXPECT_THAT(NextError(), HasSubstr("where 2 have come"));
  witness.AwaitClosed();
}

TEST_F(HostileShmFdsTest, LettersThatBringThemInTheWrongPlaceEndTheConnection) {
  Witness witness;
  RawPeer peer = Meet({});
  ASSERT_TRUE(peer.Send("d", {witness.fd()}));
  Say(peer, Greeting());
  EXPECT_THAT(NextError(), HasSubstr("a message that is no letter"));
  witness.AwaitClosed();
}

TEST_F(HostileShmFdsTest, NobodyWaitsForASocketThatLingersInAnOffer) {
  Lingering lingering;
  {
    RawPeer peer(shm_path());
    OfferBytes offer;
    ASSERT_TRUE(peer.Send(offer.Encode(), {lingering.fd(), lingering.fd()}));
    lingering.LetGo();
    EXPECT_THAT(NextError(), HasSubstr("descriptors instead of"));
  }
  ExpectOthersAreServed();
  lingering.Release();
}

TEST_F(HostileShmFdsTest, NobodyWaitsForASocketThatLingersInPlaceOfMemory) {
  Lingering lingering;
  {
    RawPeer peer(shm_path());
    OfferBytes offer;
    ASSERT_TRUE(peer.Send(offer.Encode(), {lingering.fd()}));
    lingering.LetGo();
    EXPECT_THAT(NextError(), HasSubstr("is no memory"));
  }
  ExpectOthersAreServed();
  lingering.Release();
}

}  // namespace
}  // namespace nigh::testing

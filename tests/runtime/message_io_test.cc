#include "nigh/message_io.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "google/protobuf/message_lite.h"
#include "gtest/gtest.h"
#include "nigh/transport/bytes.h"
#include "tests/runtime/strict.pb.h"

namespace nigh {
namespace {

using ::nigh::rpctest::Strict;
using ::testing::AllOf;
using ::testing::HasSubstr;

// Claims to be of a size that no machine for tests has the memory for.
class Enormous final : public google::protobuf::MessageLite {
 public:
  explicit Enormous(size_t size) : size_(size) {}

  std::string GetTypeName() const override { return "nigh.rpctest.Enormous"; }
  MessageLite* New(google::protobuf::Arena*) const override { return new Enormous(size_); }
  void Clear() override {}
  bool IsInitialized() const override { return true; }
  void CheckTypeAndMergeFrom(const MessageLite&) override {}
  size_t ByteSizeLong() const override { return size_; }
  int GetCachedSize() const override { return 0; }
  const char* _InternalParse(const char*, google::protobuf::internal::ParseContext*) override {
    return nullptr;
  }
  uint8_t* _InternalSerialize(uint8_t* to,
                              google::protobuf::io::EpsCopyOutputStream*) const override {
    return to;
  }

 private:
  const size_t size_;
};

std::string Serialize(MessageSource& source) {
  EXPECT_TRUE(source.Measure().ok());
  // One byte more on each side, to see what is written beyond.
  std::string bytes(source.size() + 2, '#');
  source.SerializeTo(reinterpret_cast<std::byte*>(bytes.data()) + 1);
  EXPECT_EQ(bytes.front(), '#');
  EXPECT_EQ(bytes.back(), '#');
  return bytes.substr(1, source.size());
}

TEST(MessageIo, MessageMakesTheRoundTrip) {
  Strict sent;
  sent.set_number(7);
  sent.set_data(std::string(1000, '\xff'));
  sent.mutable_inner()->set_number(-1);
  MessageSource source(sent);
  const std::string bytes = Serialize(source);
  EXPECT_EQ(bytes, sent.SerializeAsString());
  Strict received;
  ASSERT_TRUE(MessageTarget(&received).Parse(AsBytes(bytes)).ok());
  EXPECT_EQ(received.SerializeAsString(), bytes);
}

TEST(MessageIo, BytesMakeTheRoundTripUntouched) {
  for (const std::string& sent : {std::string(), std::string("\0\xff\n", 3)}) {
    MessageSource source{absl::string_view(sent)};
    EXPECT_EQ(Serialize(source), sent);
    std::string received = "left over";
    ASSERT_TRUE(MessageTarget(&received).Parse(AsBytes(sent)).ok());
    EXPECT_EQ(received, sent);
  }
}

TEST(MessageIo, ParsingReplacesWhatWasThere) {
  Strict empty;
  empty.set_number(1);
  Strict received;
  received.set_data("left over");
  ASSERT_TRUE(MessageTarget(&received).Parse(AsBytes(empty.SerializeAsString())).ok());
  EXPECT_FALSE(received.has_data());
}

TEST(MessageIo, MissingRequiredFieldIsInternalAndNamedBeforeSending) {
  Strict incomplete;
  incomplete.set_number(1);
  incomplete.mutable_inner()->set_data("no number");
  const absl::Status status = MessageSource(incomplete).Measure();
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("nigh.rpctest.Strict"), HasSubstr("inner.number")));
}

TEST(MessageIo, MissingRequiredFieldIsInternalWhenReceived) {
  Strict incomplete;
  incomplete.set_data("no number");
  Strict received;
  const absl::Status status =
      MessageTarget(&received).Parse(AsBytes(incomplete.SerializePartialAsString()));
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), HasSubstr("is no valid nigh.rpctest.Strict"));
}

TEST(MessageIo, TruncatedMessageIsInternalWhereverItIsCut) {
  Strict sent;
  sent.set_number(300);
  sent.set_data("data");
  const std::string bytes = sent.SerializeAsString();
  for (size_t size = 0; size < bytes.size(); ++size) {
    Strict received;
    const absl::Status status =
        MessageTarget(&received).Parse(AsBytes(absl::string_view(bytes).substr(0, size)));
    if (size == 3) {
      EXPECT_TRUE(status.ok()) << "the first field alone is a message";
    } else {
      EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << size;
    }
  }
}

TEST(MessageIo, MessageLargerThanProtobufAllowsIsInternal) {
  constexpr size_t kMost = std::numeric_limits<int32_t>::max();
  EXPECT_TRUE(MessageSource(Enormous(kMost)).Measure().ok());
  for (const size_t size : {kMost + 1, kMost * 3}) {
    const absl::Status status = MessageSource(Enormous(size)).Measure();
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
    EXPECT_THAT(std::string(status.message()),
                AllOf(HasSubstr("nigh.rpctest.Enormous"), HasSubstr(std::to_string(size))));
  }
}

TEST(MessageIo, TargetKnowsWhetherThereIsOne) {
  Strict message;
  std::string bytes;
  EXPECT_FALSE(MessageTarget());
  EXPECT_TRUE(MessageTarget(&message));
  EXPECT_TRUE(MessageTarget(&bytes));
}

}  // namespace
}  // namespace nigh

#include "nigh/message_io.h"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <string>

#include "absl/algorithm/container.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "google/protobuf/message_lite.h"
#include "google/protobuf/stubs/logging.h"
#include "gtest/gtest.h"
#include "nigh/runtime/call/protobuf_log.h"
#include "nigh/transport/bytes.h"
#include "tests/runtime/lite.pb.h"
#include "tests/runtime/strict.pb.h"
#include "tests/runtime/text.pb.h"

namespace nigh {
namespace {

using ::nigh::rpctest::Lite;
using ::nigh::rpctest::more;
using ::nigh::rpctest::Strict;
using ::nigh::rpctest::Texts;
using ::testing::AllOf;
using ::testing::EndsWith;
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

// Returns the bytes of `message` with a byte that is no text in the place of each '!'.
std::string Spoilt(const google::protobuf::MessageLite& message) {
  std::string bytes = message.SerializePartialAsString();
  absl::c_replace(bytes, '!', '\xff');
  return bytes;
}

// Expects that `message`, spoilt, is refused, and that the reason ends with `reason`.
template <class Message>
void ExpectRefused(const Message& message, absl::string_view reason) {
  Message received;
  ::testing::internal::CaptureStderr();
  const absl::Status status = MessageTarget(&received).Parse(AsBytes(Spoilt(message)));
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
  EXPECT_EQ(status.code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(status.message()), EndsWith(std::string(reason)));
}

TEST(MessageIo, TextThatIsNotUtf8IsNamedWhereverItIs) {
  constexpr char kRemedy[] = " is not UTF-8 (other bytes go into a field of type bytes)";
  const auto expect = [&](const Texts& message, absl::string_view place) {
    ExpectRefused(message, absl::StrCat(" bytes is no valid nigh.rpctest.Texts: the string ", place,
                                        kRemedy));
  };
  ListenToProtobufsLog();
  Texts title;
  title.set_title("!");
  expect(title, "nigh.rpctest.Texts.title");
  Texts line;
  line.add_lines("good");
  line.add_lines("b!d");
  expect(line, "nigh.rpctest.Texts.lines (at lines[1])");
  Texts part;
  part.mutable_blob()->set_data("good!");
  part.add_parts()->set_label("good");
  part.add_parts();
  part.add_parts()->set_label("bad !");
  expect(part, "nigh.rpctest.Texts.Part.label (at parts[2].label)");
  Texts word;
  word.set_word("!");
  expect(word, "nigh.rpctest.Texts.word");
  Texts key;
  (*key.mutable_notes())["!"] = "good";
  expect(key, "nigh.rpctest.Texts.NotesEntry.key (at notes[0].key)");
  Texts value;
  (*value.mutable_notes())["good"] = "!";
  expect(value, "nigh.rpctest.Texts.NotesEntry.value (at notes[0].value)");
  Texts deep;
  Texts::Blob* innermost = deep.mutable_blob();
  for (int i = 0; i < 3; ++i) innermost = innermost->mutable_inner();
  innermost->set_name("!");
  expect(deep, "nigh.rpctest.Texts.Blob.name (at blob.inner.inner.inner.name)");

  // Text within groups and extensions of messages whose own strings may hold anything.
  Strict group;
  group.mutable_group()->mutable_texts()->set_title("!");
  ExpectRefused(
      group, absl::StrCat("the string nigh.rpctest.Texts.title (at group.texts.title)", kRemedy));
  Strict extended;
  extended.AddExtension(more)->add_lines("good");
  extended.AddExtension(more)->add_lines("!");
  ExpectRefused(extended, absl::StrCat("the string nigh.rpctest.Texts.lines "
                                       "(at (nigh.rpctest.more)[1].lines[0])",
                                       kRemedy));
}

TEST(MessageIo, LiteMessageThatIsNotUtf8HasNoNames) {
  ListenToProtobufsLog();
  Lite lite;
  lite.set_title("!");
  ExpectRefused(lite, "a message of 3 bytes is no valid nigh.rpctest.Lite");
}

TEST(MessageIo, MessageThatIsNotUtf8AndThenCutNamesNothingBeyondItsEnd) {
  Texts message;
  message.mutable_blob()->mutable_inner()->set_name("!");
  const std::string bytes = Spoilt(message);
  for (size_t size = 1; size < bytes.size(); ++size) {
    Texts received;
    const absl::Status status =
        MessageTarget(&received).Parse(AsBytes(absl::string_view(bytes).substr(0, size)));
    EXPECT_THAT(std::string(status.message()), EndsWith("is no valid nigh.rpctest.Texts")) << size;
  }
}

TEST(MessageIo, TextThatIsNotUtf8IsSentAsItIsWithoutAWord) {
  ListenToProtobufsLog();
  Texts message;
  message.set_title("\xff");
  ::testing::internal::CaptureStderr();
  MessageSource source(message);
  EXPECT_EQ(Serialize(source), "\x0a\x01\xff");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

// What the handler of the program in the next test was told.
std::string* told = nullptr;

TEST(MessageIo, TheProgramsLogHandlerIsToldOfItsOwnMessages) {
  ListenToProtobufsLog();
  std::string text;
  told = &text;
  using google::protobuf::LogHandler;
  using google::protobuf::LogLevel;
  LogHandler* const before = google::protobuf::SetLogHandler(
      [](LogLevel, const char*, int, const std::string& message) { *told += message; });
  Texts message;
  EXPECT_FALSE(message.ParseFromString("\x0a\x01\xff"));
  google::protobuf::SetLogHandler(before);
  EXPECT_THAT(text, HasSubstr("nigh.rpctest.Texts.title"));
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

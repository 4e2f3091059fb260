#include "nigh/metadata.h"

#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace nigh {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Pair;

TEST(Metadata, KeyIsMadeOfTheAllowedBytesAndNoOther) {
  const std::string allowed = "0123456789abcdefghijklmnopqrstuvwxyz_.-";
  for (int byte = 0; byte < 256; ++byte) {
    const std::string one(1, static_cast<char>(byte));
    const bool legal = allowed.find(one) != std::string::npos;
    for (const std::string& key : {one, one + "x", "x" + one, "x" + one + "y"}) {
      const absl::Status status = CheckMetadata(key, "value");
      EXPECT_EQ(status.code(), legal ? absl::StatusCode::kOk : absl::StatusCode::kInternal)
          << "byte " << byte << ": " << status;
    }
  }
  EXPECT_EQ(CheckMetadata("", "value").code(), absl::StatusCode::kInternal);
}

TEST(Metadata, ValueIsPrintableUnlessItsKeySaysBinary) {
  for (int byte = 0; byte < 256; ++byte) {
    const std::string one(1, static_cast<char>(byte));
    const bool printable = byte >= 0x20 && byte <= 0x7e;
    for (const std::string& value : {one, "a" + one + "b"}) {
      EXPECT_EQ(CheckMetadata("key", value).ok(), printable) << "byte " << byte;
      EXPECT_TRUE(CheckMetadata("key-bin", value).ok()) << "byte " << byte;
    }
  }
  EXPECT_TRUE(CheckMetadata("key", "").ok());
  EXPECT_TRUE(CheckMetadata("-bin", std::string(1, '\0')).ok());
  EXPECT_FALSE(CheckMetadata("key-binary", "\x01").ok());
}

TEST(Metadata, ReservedPrefixesAreRefused) {
  for (const absl::string_view key :
       {"nigh-", "nigh-timeout", "grpc-", "grpc-status", "grpc-trace-bin", "nigh-x-bin"}) {
    const absl::Status status = CheckMetadata(key, "value");
    EXPECT_EQ(status.code(), absl::StatusCode::kInternal) << key;
    EXPECT_THAT(std::string(status.message()), HasSubstr("reserved"));
  }
  for (const absl::string_view key : {"nigh", "grpc", "x-nigh-", "nigh.a", "grpc_a"}) {
    EXPECT_TRUE(CheckMetadata(key, "value").ok()) << key;
  }
}

TEST(Metadata, KeyOfTheGreatestLengthIsFineAndALongerOneIsNot) {
  EXPECT_TRUE(CheckMetadata(std::string(65'535, 'k'), "").ok());
  EXPECT_FALSE(CheckMetadata(std::string(65'536, 'k'), "").ok());
}

TEST(Metadata, ErrorNamesTheKeyAndTheRemedy) {
  EXPECT_EQ(CheckMetadata("Bad\nkey", "").message(),
            "metadata key \"Bad\\nkey\": a key is made of the characters 0-9 a-z _ . - and not "
            "empty");
  EXPECT_THAT(std::string(CheckMetadata("key", "\n").message()),
              HasSubstr("end the key in \"-bin\" to send any bytes"));
  EXPECT_LT(CheckMetadata(std::string(10'000, 'K'), "").message().size(), 300u);
}

TEST(Metadata, KeepsOrderAndDuplicates) {
  Metadata metadata;
  metadata.Add("b", "1");
  metadata.Add("a", "2");
  metadata.Add("b", "");
  metadata.Add("b", "3");
  EXPECT_TRUE(metadata.status().ok());
  EXPECT_THAT(std::vector<Metadata::Entry>(metadata.begin(), metadata.end()),
              ElementsAre(Pair("b", "1"), Pair("a", "2"), Pair("b", ""), Pair("b", "3")));
  EXPECT_THAT(metadata.GetAll("b"), ElementsAre("1", "", "3"));
  EXPECT_EQ(metadata.Get("b"), absl::string_view("1"));
  EXPECT_EQ(metadata.Get("c"), std::nullopt);
  EXPECT_THAT(metadata.GetAll("c"), ElementsAre());
  EXPECT_EQ(metadata.size(), 4u);
  EXPECT_EQ(metadata.byte_size(), 7u);
}

TEST(Metadata, IllegalEntryIsLeftOutAndTheFirstIsRemembered) {
  Metadata metadata;
  metadata.Add("fine", "1");
  metadata.Add("First", "2");
  metadata.Add("second ", "3");
  metadata.Add("also-fine", "4");
  EXPECT_EQ(metadata.size(), 2u);
  EXPECT_EQ(metadata.byte_size(), 4u + 1 + 9 + 1);
  EXPECT_EQ(metadata.status().code(), absl::StatusCode::kInternal);
  EXPECT_THAT(std::string(metadata.status().message()), HasSubstr("\"First\""));
}

TEST(Metadata, IsAsNewAfterClear) {
  Metadata metadata;
  metadata.Add("fine", "1");
  metadata.Add("Illegal", "2");
  metadata.Clear();
  EXPECT_TRUE(metadata.empty());
  EXPECT_EQ(metadata.byte_size(), 0u);
  EXPECT_TRUE(metadata.status().ok());
}

// Metadata may be added straight from memory that a peer is changing.
TEST(Metadata, WhatIsKeptIsWhatWasChecked) {
  constexpr size_t kSize = 64;
  void* const page =
      ::mmap(nullptr, kSize, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  ASSERT_NE(page, MAP_FAILED);
  auto* const key = static_cast<char*>(page);
  std::fill_n(key, kSize, 'k');
  const pid_t peer = ::fork();
  if (peer == 0) {
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    volatile char* const last = key + kSize - 1;
    for (;;) *last = *last == 'k' ? 'K' : 'k';  // legal, illegal
  }
  ASSERT_GT(peer, 0);
  const absl::Cleanup end = [&] {
    ::kill(peer, SIGKILL);
    ::waitpid(peer, nullptr, 0);
    ::munmap(page, kSize);
  };
  for (int i = 0; i < 20'000; ++i) {
    Metadata metadata;
    metadata.Add(absl::string_view(key, kSize), "value");
    for (const auto& [kept, value] : metadata) {
      ASSERT_TRUE(CheckMetadata(kept, value).ok()) << kept << ", after " << i;
    }
  }
}

}  // namespace
}  // namespace nigh

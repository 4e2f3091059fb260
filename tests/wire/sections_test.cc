#include "nigh/runtime/wire/sections.h"

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"
#include "nigh/transport/bytes.h"

namespace nigh {
namespace {

struct Entry {
  SectionType type;
  std::string key, value;

  friend bool operator==(const Entry&, const Entry&) = default;
};

const std::vector<Entry>& Entries() {
  static const auto& entries = *new std::vector<Entry>{
      {SectionType::kMetadata, "trace-id", "42"},
      {SectionType::kMetadata, "trace-id", ""},
      {SectionType::kTrailer, "blob-bin", std::string("\0\xff\n", 3)},
      {SectionType::kStatusMessage, "", "no such thing"},
      {SectionType::kStatusDetail, std::string(kMaxSectionKey, 'k'), std::string(100'000, 'v')},
  };
  return entries;
}

std::string Block(const std::vector<Entry>& entries) {
  SectionWriter writer;
  for (const Entry& entry : entries) writer.Add(entry.type, entry.key, entry.value);
  return std::string(writer.block());
}

std::vector<Entry> ReadAll(SectionReader& reader) {
  std::vector<Entry> entries;
  while (const std::optional<Section> section = reader.Next()) {
    entries.push_back({section->type, std::string(section->key), std::string(section->value)});
  }
  return entries;
}

TEST(Sections, MakeTheRoundTripInOrder) {
  const std::string payload = Block(Entries()) + "the message";
  SectionReader reader(AsBytes(payload));
  EXPECT_EQ(ReadAll(reader), Entries());
  EXPECT_TRUE(reader.status().ok());
  EXPECT_EQ(AsText(reader.rest()), "the message");
  EXPECT_EQ(reader.block_size(), payload.size() - 11);
  EXPECT_FALSE(reader.Next().has_value());
}

TEST(Sections, NothingAddedIsNoBlock) { EXPECT_TRUE(SectionWriter().empty()); }

TEST(Sections, AnEmptyBlockHasNoEntries) {
  SectionReader reader(AsBytes(absl::string_view("\0\0\0\0rest", 8)));
  EXPECT_FALSE(reader.Next().has_value());
  EXPECT_TRUE(reader.status().ok());
  EXPECT_EQ(AsText(reader.rest()), "rest");
}

TEST(Sections, PayloadTruncatedAnywhereIsAnError) {
  const std::string block =
      Block({{SectionType::kMetadata, "key", "value"}, {SectionType::kTrailer, "another", "one"}});
  for (size_t size = 0; size < block.size(); ++size) {
    SectionReader reader(AsBytes(block).first(size));
    ReadAll(reader);
    EXPECT_EQ(reader.status().code(), absl::StatusCode::kInternal) << size;
  }
}

// The same, with a block size that agrees: the cut is found entry by entry.
TEST(Sections, BlockTruncatedInsideAnEntryIsAnError) {
  const std::string first = Block({{SectionType::kMetadata, "key", "value"}});
  const std::string block =
      Block({{SectionType::kMetadata, "key", "value"}, {SectionType::kTrailer, "another", "one"}});
  for (size_t size = kSectionBlockHeader + 1; size < block.size(); ++size) {
    std::string cut = block.substr(0, size);
    StoreLittle(static_cast<uint32_t>(size - kSectionBlockHeader),
                reinterpret_cast<std::byte*>(cut.data()));
    SectionReader reader(AsBytes(cut));
    ReadAll(reader);
    EXPECT_EQ(reader.status().ok(), size == first.size()) << size;
  }
}

TEST(Sections, HugeCountsAreErrors) {
  const std::string block = Block({{SectionType::kMetadata, "key", "value"}});
  for (const auto& [at, bytes] : {std::pair<size_t, size_t>{0, 4}, {6, 2}, {8, 4}}) {
    std::string wrong = block;
    for (size_t i = 0; i < bytes; ++i) wrong[at + i] = '\xff';
    SectionReader reader(AsBytes(wrong));
    ReadAll(reader);
    EXPECT_EQ(reader.status().code(), absl::StatusCode::kInternal) << at;
  }
}

TEST(Sections, RandomBytesNeverLeadOutside) {
  std::mt19937 random(1);
  for (int round = 0; round < 20'000; ++round) {
    // On the heap, of just that size: a sanitizer sees any step outside.
    std::vector<std::byte> bytes(random() % 64);
    for (std::byte& byte : bytes) byte = static_cast<std::byte>(random() % 8);
    SectionReader reader(bytes);
    size_t total = 0;
    for (const Entry& entry : ReadAll(reader)) total += entry.key.size() + entry.value.size();
    EXPECT_LE(total, bytes.size());
  }
}

}  // namespace
}  // namespace nigh

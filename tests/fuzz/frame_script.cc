#include "tests/fuzz/frame_script.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "nigh/runtime/wire/hello.h"
#include "nigh/runtime/wire/sections.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/frame.h"
#include "tests/fuzz/input.h"
#include "tests/fuzz/sent_fds.h"

namespace nigh::testing {
namespace {

// What a frame over a byte stream may have.
constexpr size_t kMaxPayload = 64 * 1024 - kFrameHeaderSize;

std::string FrameBytes(FrameHeader header, absl::string_view payload) {
  header.length = static_cast<uint32_t>(payload.size());
  std::string bytes(kFrameHeaderSize, '\0');
  EncodeFrameHeader(header, reinterpret_cast<std::byte*>(bytes.data()));
  return bytes.append(payload.data(), payload.size());
}

// Puts that section in front of all others.
void SayDescriptors(uint32_t count, FrameHeader& header, std::string& payload) {
  SectionWriter sections;
  sections.AddDescriptors(count);
  std::string block(sections.block());
  if ((header.flags & kSections) != 0 && payload.size() >= kSectionBlockHeader) {
    const auto others = LoadLittle<uint32_t>(AsBytes(payload).data());
    StoreLittle(static_cast<uint32_t>(others + block.size() - kSectionBlockHeader),
                reinterpret_cast<std::byte*>(block.data()));
    payload.erase(0, kSectionBlockHeader);
  }
  header.flags |= kSections;
  payload.insert(0, block);
}

}  // namespace

Record NextRecord(Input& input) {
  constexpr uint8_t kNothing = 255;
  Record record;
  uint8_t what = input.Take();
  uint8_t says = kNothing;
  if ((what & 0xc0) == 0xc0) {
    record.fds = SentFds::From(input);
    says = input.Take();
    what = input.Take();
  }
  if ((what & 0x80) != 0) {
    record.bytes = std::string(input.TakeText(input.Take()));
    if (record.bytes.empty()) record.fds = {};
    return record;
  }
  record.settle = (what & 0x10) != 0;
  const bool wide = (what & 0x20) != 0;
  FrameHeader header{.kind = static_cast<FrameKind>(what & 0x0f), .flags = input.Take()};
  header.method = wide ? input.Take<uint16_t>() : input.Take();
  header.call = wide ? input.Take<uint32_t>() : input.Take();
  header.rest = wide ? input.Take<uint32_t>() : input.Take();
  header.aux = wide ? input.Take<uint64_t>() : input.Take();
  std::string payload;
  if ((what & 0x40) != 0) {
    const size_t length = std::min<size_t>(input.Take<uint16_t>(), kMaxPayload);
    payload.assign(length, static_cast<char>(input.Take()));
  } else {
    payload = std::string(input.TakeText(input.Take()));
  }
  if (says != kNothing) SayDescriptors(says, header, payload);
  header.length = static_cast<uint32_t>(payload.size());
  record.header = header;
  record.bytes = FrameBytes(header, payload);
  return record;
}

std::string HelloBytes() {
  std::string payload(kHelloSize, '\0');
  EncodeHello({.window = 64 << 10,
               .max_message = 1 << 20,
               .max_metadata = 8192,
               .max_calls = 16,
               .features = kTakesDescriptors,
               .max_descriptors = 16},
              reinterpret_cast<std::byte*>(payload.data()));
  return FrameBytes({.kind = FrameKind::kHello}, payload);
}

std::string MethodBytes() {
  std::string bytes;
  uint16_t number = 0;
  for (const absl::string_view name : kMethods) {
    bytes += FrameBytes({.kind = FrameKind::kMethod, .method = number++}, name);
  }
  return bytes;
}

void FrameChecker::Sent(const Record& record) {
  if (!record.header.has_value()) {
    anything_ = true;
  } else if (record.header->kind == FrameKind::kRequest) {
    if (++open_[record.header->call] > 1) reused_.insert(record.header->call);
  }
}

void FrameChecker::Take(absl::string_view bytes, const Descriptors* descriptors) {
  if (descriptors != nullptr) descriptors_.push_back(descriptors->size());
  left_.append(bytes.data(), bytes.size());
  size_t at = 0;
  while (left_.size() - at >= kFrameHeaderSize) {
    const FrameHeader header =
        DecodeFrameHeader(reinterpret_cast<const std::byte*>(left_.data() + at));
    Expect(ValidateFrameHeader(header, kMaxPayload).ok(), "a session sends valid frames");
    if (left_.size() - at < kFrameHeaderSize + header.length) break;
    Check(header, absl::string_view(left_).substr(at + kFrameHeaderSize, header.length));
    at += kFrameHeaderSize + header.length;
  }
  left_.erase(0, at);
}

void FrameChecker::Finish() const {
  Expect(left_.empty(), "a session ends behind a frame");
  Expect(descriptors_.empty(), "descriptors come with frames");
}

void FrameChecker::Check(const FrameHeader& header, absl::string_view payload) {
  Expect(!refused_, "nothing follows what is sent in the place of a hello");
  if (!hello_ && header.kind == FrameKind::kGoAway && sender_ == End::kServer) {
    refused_ = true;
  } else {
    Expect(hello_ != (header.kind == FrameKind::kHello),
           "the first frame, and no other, is a HELLO");
  }
  if (const uint32_t count = WhatIsAnnounced(header, AsBytes(payload)).descriptors; count != 0) {
    Expect(!descriptors_.empty() && descriptors_.front() == count,
           "the descriptors that a frame announces come with it");
    descriptors_.pop_front();
  }
  switch (header.kind) {
    case FrameKind::kHello:
      Expect(DecodeHello(AsBytes(payload)).ok(), "a session says a good hello");
      hello_ = true;
      return;
    case FrameKind::kPing:
      Expect((header.flags & kAck) != 0, "a session pings nobody");
      last_pong_ = header.aux;
      return;
    case FrameKind::kGoAway:
      Expect(payload.size() <= 256, "a farewell is short");
      return;
    case FrameKind::kMethod:
    case FrameKind::kRequest:
    case FrameKind::kCancel:
      Expect(sender_ == End::kClient, "a client's frame comes from a client");
      return CheckQuestion(header, payload);
    case FrameKind::kResponse:
      Expect(sender_ == End::kServer, "a server's frame comes from a server");
      return CheckAnswer(header);
    default:
      return sender_ == End::kServer ? CheckAnswer(header) : CheckQuestion(header, payload);
  }
}

void FrameChecker::CheckAnswer(const FrameHeader& header) {
  // Answers to one call that was made twice cross each other.
  if (anything_ || reused_.contains(header.call)) return;
  int& open = open_[header.call];
  Expect(open > 0, "a server sends frames of open calls only");
  if (header.kind == FrameKind::kCredit) return;
  const auto missing = missing_.find(header.call);
  if (header.kind == FrameKind::kPiece) {
    Expect(missing != missing_.end() && missing->second == header.length + header.rest,
           "a piece continues its payload");
  } else {
    // A call that ends abandons what is unfinished of it.
    Expect(missing == missing_.end() || header.kind == FrameKind::kResponse,
           "a payload is finished before the next begins");
    response_[header.call] = header.kind == FrameKind::kResponse;
  }
  if (header.rest != 0) {
    missing_[header.call] = header.rest;
    return;
  }
  missing_.erase(header.call);
  if (response_[header.call]) --open;
}

void FrameChecker::CheckQuestion(const FrameHeader& header, absl::string_view payload) {
  if (header.kind == FrameKind::kMethod) {
    Expect(declared_.emplace(header.method, payload).second, "a method is declared once");
  } else if (header.kind == FrameKind::kRequest) {
    Expect(declared_.contains(header.method), "a method is declared before it is called");
    open_[header.call] = 1;
  } else {
    Expect(open_.contains(header.call), "a client sends frames of calls that it has opened");
  }
}

}  // namespace nigh::testing

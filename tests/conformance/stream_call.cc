#include "tests/conformance/stream_call.h"

#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace nigh::testing {
namespace {

using Reader = ClientReader<Blob>;
using Writer = ClientWriter<Blob, Blob>;
using Both = ClientStream<Blob, Blob>;

}  // namespace

StreamCall::Variant StreamCall::Open(const Scripted::Stub& stub, MethodKind kind,
                                     ClientContext& context) {
  switch (kind) {
    case MethodKind::kServerStreaming:
      return stub.Replies(context, Blob());
    case MethodKind::kClientStreaming:
      return stub.Requests(context);
    default:
      return stub.Both(context);
  }
}

bool StreamCall::Write(const Blob& blob) {
  if (auto* writer = std::get_if<Writer>(&stream_)) return writer->Write(blob);
  if (auto* both = std::get_if<Both>(&stream_)) return both->Write(blob);
  return false;
}

bool StreamCall::WritesDone() {
  if (auto* writer = std::get_if<Writer>(&stream_)) return writer->WritesDone();
  if (auto* both = std::get_if<Both>(&stream_)) return both->WritesDone();
  return false;
}

bool StreamCall::Read(Blob* blob) {
  if (auto* reader = std::get_if<Reader>(&stream_)) return reader->Read(blob);
  if (auto* both = std::get_if<Both>(&stream_)) return both->Read(blob);
  return false;
}

absl::Status StreamCall::Finish() {
  if (auto* reader = std::get_if<Reader>(&stream_)) return reader->Finish();
  if (auto* both = std::get_if<Both>(&stream_)) return both->Finish();
  absl::StatusOr<Blob> reply = std::get<Writer>(stream_).Finish();
  if (!reply.ok()) return reply.status();
  reply_ = *std::move(reply);
  return absl::OkStatus();
}

void StreamCall::TryCancel() {
  std::visit([](auto& stream) { stream.TryCancel(); }, stream_);
}

}  // namespace nigh::testing

#ifndef NIGH_TESTS_CONFORMANCE_STREAM_CALL_H_
#define NIGH_TESTS_CONFORMANCE_STREAM_CALL_H_

#include <variant>

#include "absl/status/status.h"
#include "nigh/client_context.h"
#include "nigh/client_stream.h"
#include "nigh/method.h"
#include "tests/conformance/scripted.nigh.h"

namespace nigh::testing {

inline constexpr MethodKind kStreamKinds[] = {
    MethodKind::kServerStreaming, MethodKind::kClientStreaming, MethodKind::kBidiStreaming};

// A call of a Scripted method of any streaming kind, for tests that are the same for all kinds. A
// function that the kind does not have returns false.
class StreamCall {
 public:
  StreamCall(const Scripted::Stub& stub, MethodKind kind, ClientContext& context)
      : stream_(Open(stub, kind, context)) {}

  bool Write(const Blob& blob);
  bool WritesDone();
  bool Read(Blob* blob);
  absl::Status Finish();
  void TryCancel();

  // The one reply of a client stream, after Finish.
  const Blob& reply() const { return reply_; }

 private:
  using Variant =
      std::variant<ClientReader<Blob>, ClientWriter<Blob, Blob>, ClientStream<Blob, Blob>>;
  static Variant Open(const Scripted::Stub& stub, MethodKind kind, ClientContext& context);

  Variant stream_;
  Blob reply_;
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_CONFORMANCE_STREAM_CALL_H_

#include "absl/types/span.h"
#include "examples/custom_transport/seqpacket.h"
#include "tests/contract/subject.h"

absl::Span<const nigh::testing::Subject> nigh::testing::Media() {
  static const Subject media[] = {
      {.name = "seqpacket",
       .transport = kSeqpacketTransport,
       .address = "seqpacket:{dir}/{n}",
       .stranger = "unix-seqpacket"},
  };
  return media;
}

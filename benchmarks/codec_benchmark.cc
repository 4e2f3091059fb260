// What protobuf's codec alone takes of an echo: the floor under every framework that carries its
// messages. In one process and one thread, so it has no placement.

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "benchmark/benchmark.h"
#include "benchmarks/echo.pb.h"
#include "nigh/transport/frame.h"

namespace nigh::benchmarks {
namespace {

void Carry(const Payload& from, std::vector<uint8_t>& bytes, Payload& to) {
  const size_t size = from.ByteSizeLong();
  from.SerializeWithCachedSizesToArray(bytes.data());
  if (!to.ParseFromArray(bytes.data(), static_cast<int>(size))) std::abort();
}

// Both ends of a unary echo, messages reused: the request and the reply, serialised and parsed.
void EchoCodec(benchmark::State& state) {
  Payload request;
  request.set_data(std::string(static_cast<size_t>(state.range(0)), 'x'));
  std::vector<uint8_t> bytes(request.ByteSizeLong());
  Payload received;
  Payload reply;
  Payload answer;
  const auto echo = [&] {
    Carry(request, bytes, received);
    reply.set_data(received.data());
    Carry(reply, bytes, answer);
    benchmark::DoNotOptimize(answer.data().data());
  };
  echo();  // the memory is there from then on
  while (state.KeepRunning()) echo();
}
BENCHMARK(EchoCodec)
    ->Arg(0)
    ->Arg(64)
    ->Arg(4 << 10)
    ->Arg(64 << 10)
    ->Arg(1 << 20)
    ->Arg(16 << 20)
    ->Arg(64 << 20);

// A message's bytes from one place to another, both of which the caches have.
void CachedCopy(benchmark::State& state) {
  const std::vector<uint8_t> from(static_cast<size_t>(state.range(0)), 1);
  std::vector<uint8_t> to(from.size());
  while (state.KeepRunning()) {
    std::memcpy(to.data(), from.data(), from.size());
    benchmark::DoNotOptimize(to.data());
    benchmark::ClobberMemory();
  }
}
BENCHMARK(CachedCopy)->Arg(1 << 20);

// The headers of an echo: two frames, each encoded, decoded and validated.
void EchoHeaders(benchmark::State& state) {
  std::byte bytes[kFrameHeaderSize];
  const FrameHeader header{.length = 66, .kind = FrameKind::kRequest, .flags = kMessage | kEnd};
  while (state.KeepRunning()) {
    for (int i = 0; i < 2; ++i) {
      EncodeFrameHeader(header, bytes);
      benchmark::DoNotOptimize(bytes);
      const FrameHeader decoded = DecodeFrameHeader(bytes);
      if (!ValidateFrameHeader(decoded, 1 << 16).ok()) std::abort();
    }
  }
}
BENCHMARK(EchoHeaders);

}  // namespace
}  // namespace nigh::benchmarks

BENCHMARK_MAIN();

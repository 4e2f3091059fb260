#include "nigh/transports/stream/stream_filter.h"

#include <memory>
#include <utility>

#include "nigh/transports/stream/byte_stream.h"

namespace nigh {
namespace {

thread_local const ScopedStreamFilter* innermost = nullptr;

}  // namespace

ScopedStreamFilter::ScopedStreamFilter(Filter filter)
    : filter_(filter), outer_(std::exchange(innermost, this)) {}

ScopedStreamFilter::~ScopedStreamFilter() { innermost = outer_; }

std::unique_ptr<ByteStream> ScopedStreamFilter::Apply(std::unique_ptr<ByteStream> stream) {
  return innermost == nullptr ? std::move(stream) : innermost->filter_(std::move(stream));
}

}  // namespace nigh

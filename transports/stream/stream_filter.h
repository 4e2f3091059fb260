#ifndef NIGH_TRANSPORTS_STREAM_STREAM_FILTER_H_
#define NIGH_TRANSPORTS_STREAM_STREAM_FILTER_H_

#include <memory>

#include "absl/functional/function_ref.h"
#include "nigh/transports/stream/byte_stream.h"

namespace nigh {

// While one lives, every StreamConnection that its thread makes has what `filter` returns in the
// place of its stream. Tests degrade a medium with it.
class ScopedStreamFilter {
 public:
  using Filter = absl::FunctionRef<std::unique_ptr<ByteStream>(std::unique_ptr<ByteStream>)>;

  explicit ScopedStreamFilter(Filter filter);
  ~ScopedStreamFilter();
  ScopedStreamFilter(const ScopedStreamFilter&) = delete;
  ScopedStreamFilter& operator=(const ScopedStreamFilter&) = delete;

  // Returns what stands in for `stream` in this thread: `stream` itself, where there is no filter.
  static std::unique_ptr<ByteStream> Apply(std::unique_ptr<ByteStream> stream);

 private:
  const Filter filter_;
  const ScopedStreamFilter* const outer_;
};

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_STREAM_STREAM_FILTER_H_

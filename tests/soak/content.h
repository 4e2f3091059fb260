#ifndef NIGH_TESTS_SOAK_CONTENT_H_
#define NIGH_TESTS_SOAK_CONTENT_H_

#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "tests/soak/load.pb.h"

namespace nigh::testing {

inline constexpr size_t kLargestData = size_t{1} << 20;

// The data of `size` bytes, at most kLargestData, that belongs to `number`. Two numbers have
// different data, but for one pair in 65,536 and for the shortest.
absl::string_view DataOf(uint64_t number, size_t size);

// The number of the reply to the request `number`: another one, so that what only comes back is no
// reply.
inline uint64_t AnswerTo(uint64_t number) { return number * 3 + 1; }

// Makes `parcel` the one of `number`. The other fields stay as they are.
void Fill(uint64_t number, size_t size, Parcel* parcel);

// Whether `parcel` is as Fill makes it.
bool IsWhole(const Parcel& parcel, uint64_t number, size_t size);

}  // namespace nigh::testing

#endif  // NIGH_TESTS_SOAK_CONTENT_H_

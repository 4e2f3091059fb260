#include "tests/soak/content.h"

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>

#include "absl/strings/string_view.h"

namespace nigh::testing {
namespace {

constexpr size_t kPlaces = size_t{1} << 16;

std::string RandomBytes(size_t size) {
  std::mt19937_64 random(1);
  std::string bytes(size, '\0');
  for (size_t i = 0; i + sizeof(uint64_t) <= size; i += sizeof(uint64_t)) {
    const uint64_t word = random();
    std::memcpy(&bytes[i], &word, sizeof(word));
  }
  return bytes;
}

}  // namespace

absl::string_view DataOf(uint64_t number, size_t size) {
  // The same in every process. All data are pieces of it: to make and to check them costs a copy
  // and a comparison, next to which the calls remain what is measured.
  static const std::string& bytes = *new std::string(RandomBytes(kPlaces + kLargestData));
  const size_t place = (number * 0x9E3779B97F4A7C15U) >> 48;
  return absl::string_view(bytes).substr(place, size);
}

void Fill(uint64_t number, size_t size, Parcel* parcel) {
  const absl::string_view data = DataOf(number, size);
  parcel->set_number(number);
  parcel->set_data(data.data(), data.size());
}

bool IsWhole(const Parcel& parcel, uint64_t number, size_t size) {
  return parcel.number() == number && parcel.data() == DataOf(number, size);
}

}  // namespace nigh::testing

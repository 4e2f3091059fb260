#include "tests/async/echo.h"

#include <filesystem>
#include <iterator>

#include "gmock/gmock.h"

namespace nigh::testing {

int ThreadCount() {
  const std::filesystem::directory_iterator tasks("/proc/self/task");
  return static_cast<int>(std::distance(begin(tasks), end(tasks)));
}

}  // namespace nigh::testing

int main(int argc, char** argv) {
  nigh::testing::ChooseSubject(&argc, argv);
  ::testing::InitGoogleMock(&argc, argv);
  return RUN_ALL_TESTS();
}

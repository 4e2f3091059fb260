#include <sys/resource.h>

#include <optional>

#include "gtest/gtest.h"
#include "tests/conformance/child_client.h"
#include "tests/conformance/test_server.h"
#include "tests/contract/subject.h"

namespace {

// A thousand connections take several thousand descriptors where both ends are in one process.
void AllowManyDescriptors() {
  rlimit limit;
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int main(int argc, char** argv) {
  AllowManyDescriptors();
  nigh::testing::ChooseSubject(&argc, argv);
  if (const std::optional<int> code = nigh::testing::ServeIfAsked(argc, argv)) return *code;
  if (const std::optional<int> code = nigh::testing::CallIfAsked(argc, argv)) return *code;
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

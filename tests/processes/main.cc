#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "tests/contract/subject.h"
#include "tests/processes/host.h"

int main(int argc, char** argv) {
  nigh::testing::ChooseSubject(&argc, argv);
  if (const std::optional<int> code = nigh::testing::ActIfAsked(argc, argv)) return *code;
  ::testing::InitGoogleTest(&argc, argv);
  // What this medium has no case of.
  std::string& filter = ::testing::GTEST_FLAG(filter);
  const std::string medium = nigh::testing::TheSubject().name;
  const bool comes_back = medium != "pipe";  // pipes are handed over, and nobody comes back to them
  // No file and no queue stands for the address.
  const bool has_no_file = medium == "tcp" || medium == "unix_abstract";
  if (filter == "*" && !nigh::testing::TheSubject().processes) {
    filter = "*-*DeathTest*:*RestartTest*:RetryTest*:RemovedTest*";
  } else if (filter == "*" && !comes_back) {
    filter = "*-*RestartTest*:RetryTest*:RemovedTest*";
  } else if (filter == "*" && has_no_file) {
    filter = "*-RemovedTest*";
  }
  return RUN_ALL_TESTS();
}

#include <gtest/gtest.h>

#include <optional>
#include <string>

#include "tests/contract/subject.h"
#include "tests/faults/exchange.h"

int main(int argc, char** argv) {
  nigh::testing::ChooseSubject(&argc, argv);
  if (const std::optional<int> code = nigh::testing::ServeIfAsked(argc, argv)) return *code;
  ::testing::InitGoogleTest(&argc, argv);
  std::string& filter = ::testing::GTEST_FLAG(filter);
  if (filter == "*" && !nigh::testing::TheSubject().processes) filter = "*-KillTest*";
  return RUN_ALL_TESTS();
}

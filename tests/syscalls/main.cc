#include <gtest/gtest.h>

#include <string>

#include "tests/contract/subject.h"

int main(int argc, char** argv) {
  nigh::testing::ChooseSubject(&argc, argv);
  ::testing::InitGoogleTest(&argc, argv);
  std::string& filter = ::testing::GTEST_FLAG(filter);
  if (filter == "*") {
    filter = nigh::testing::TheSubject().processes ? "-OneProcess*" : "-TwoProcesses*";
  }
  return RUN_ALL_TESTS();
}

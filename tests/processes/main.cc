#include <gtest/gtest.h>

#include <optional>

#include "tests/contract/subject.h"
#include "tests/processes/host.h"

int main(int argc, char** argv) {
  nigh::testing::ChooseSubject(&argc, argv);
  if (const std::optional<int> code = nigh::testing::ActIfAsked(argc, argv)) return *code;
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

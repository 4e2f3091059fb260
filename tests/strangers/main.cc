#include "gtest/gtest.h"
#include "tests/contract/subject.h"

int main(int argc, char** argv) {
  nigh::testing::ChooseSubject(&argc, argv);
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

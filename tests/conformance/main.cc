#include "gtest/gtest.h"
#include "tests/conformance/test_server.h"

int main(int argc, char** argv) {
  if (const std::optional<int> code = nigh::testing::ServeIfAsked(argc, argv)) return *code;
  ::testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}

// How a customer takes what a shop may say, without a shop.

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "catalogue/item.nigh.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nigh/nigh.h"
#include "shop_mock.nigh.h"

namespace {

TEST(CustomerTest, HearsThatTheShopIsClosed) {
  shop::MockShopService shop;
  EXPECT_CALL(shop, Price).WillOnce(testing::Return(absl::UnavailableError("closed on Mondays")));
  nigh::Server server;
  server.Register(shop);
  ASSERT_EQ(server.Listen("inproc:customer_test"), absl::OkStatus());
  ASSERT_EQ(server.Start(), absl::OkStatus());

  const shop::Shop::Stub customer(*nigh::Dial("inproc:customer_test"));

  EXPECT_EQ(customer.Price(catalogue::Item()).status(),
            absl::UnavailableError("closed on Mondays"));
}

}  // namespace

// Serves a shop and buys there, in one process.

#include <cstdlib>
#include <iostream>
#include <memory>
#include <optional>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "catalogue/item.nigh.h"
#include "nigh/nigh.h"
#include "shop.nigh.h"

namespace {

using catalogue::Item;
using shop::Offer;

constexpr char kAddress[] = "inproc:shop";

class ShopImpl final : public shop::Shop::Service {
  absl::Status Price(nigh::ServerContext&, const Item& request, Offer* reply) override {
    if (request.count() < 1) return absl::InvalidArgumentError("how many?");
    reply->set_cents(250 * request.count());
    reply->mutable_delivery()->set_seconds(3600);
    return absl::OkStatus();
  }

  absl::Status Buy(nigh::ServerContext&, nigh::ServerReader<Item>& requests,
                   Offer* reply) override {
    while (std::optional<Item> item = requests.Read()) {
      reply->set_cents(reply->cents() + 250 * item->count());
    }
    return absl::OkStatus();
  }
};

absl::StatusOr<Offer> GoShopping() {
  absl::StatusOr<std::shared_ptr<nigh::Channel>> channel = nigh::Dial(kAddress);
  if (!channel.ok()) return channel.status();
  const shop::Shop::Stub stub(*channel);

  Item item;
  item.set_name("pencil");
  item.set_count(2);
  absl::StatusOr<Offer> price = stub.Price(item);
  if (!price.ok()) return price;
  std::cout << "two pencils: " << price->cents() << " cents\n";

  auto purchase = stub.Buy();
  for (int count : {1, 2, 3}) {
    item.set_count(count);
    if (!purchase.Write(item)) break;
  }
  return purchase.Finish();
}

}  // namespace

int main() {
  ShopImpl service;
  nigh::Server server;
  server.Register(service);
  absl::Status status = server.Listen(kAddress);
  if (status.ok()) status = server.Start();
  if (!status.ok()) {
    std::cerr << status << "\n";
    return EXIT_FAILURE;
  }

  const absl::StatusOr<Offer> offer = GoShopping();
  if (!offer.ok()) {
    std::cerr << offer.status() << "\n";
    return EXIT_FAILURE;
  }
  std::cout << "six pencils: " << offer->cents() << " cents\n";
  return offer->cents() == 1500 ? EXIT_SUCCESS : EXIT_FAILURE;
}

#ifndef NIGH_BENCHMARKS_PEERS_LINK_PER_CALLER_H_
#define NIGH_BENCHMARKS_PEERS_LINK_PER_CALLER_H_

#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include "benchmarks/harness/subject.h"

namespace nigh::benchmarks {

// A link for media whose connections belong to one thread each: every caller connects by itself.
template <class C>
class LinkPerCaller : public Link {
 public:
  explicit LinkPerCaller(std::string address) : address_(std::move(address)) {}

  std::unique_ptr<Caller> NewCaller(size_t payload) override {
    return std::make_unique<C>(address_, payload);
  }

 private:
  const std::string address_;
};

}  // namespace nigh::benchmarks

#endif  // NIGH_BENCHMARKS_PEERS_LINK_PER_CALLER_H_

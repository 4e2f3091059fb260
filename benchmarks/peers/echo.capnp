@0xb2a6d1f3c9d74e01;

using Cxx = import "/capnp/c++.capnp";
$Cxx.namespace("nigh::benchmarks::capnproto");

interface Echo {
  unary @0 (data :Data) -> (data :Data);
}

#include "nigh/transport/transport.h"
#include "nigh/transports/unix/unix.h"

namespace nigh {
namespace {

constexpr Transport kTransports[] = {
    kUnixTransport,
    kUnixAbstractTransport,
};

}  // namespace

TransportTable AllTransports() { return kTransports; }

}  // namespace nigh

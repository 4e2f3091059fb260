#include "nigh/transport/transport.h"
#include "nigh/transports/inproc/inproc.h"
#include "nigh/transports/tcp/tcp.h"
#include "nigh/transports/unix/unix.h"

namespace nigh {
namespace {

constexpr Transport kTransports[] = {
    kInprocTransport,
    kUnixTransport,
    kUnixAbstractTransport,
    kTcpTransport,
};

}  // namespace

TransportTable AllTransports() { return kTransports; }

}  // namespace nigh

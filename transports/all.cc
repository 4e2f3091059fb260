#include <cstddef>
#include <iterator>

#include "nigh/transport/transport.h"
#include "nigh/transports/exec/exec.h"
#include "nigh/transports/exec/stdio.h"
#include "nigh/transports/fifo/fifo.h"
#include "nigh/transports/handed/handed.h"
#include "nigh/transports/inproc/inproc.h"
#include "nigh/transports/local/local.h"
#include "nigh/transports/mqueue/mqueue.h"
#include "nigh/transports/pipe/pipe.h"
#include "nigh/transports/shm/shm.h"
#include "nigh/transports/sysvmq/sysvmq.h"
#include "nigh/transports/tcp/tcp.h"
#include "nigh/transports/unix/unix.h"

namespace nigh {
namespace {

constexpr Transport kTransports[] = {
    kLocalTransport,
    kShmTransport,
    kInprocTransport,
    kUnixTransport,
    kUnixAbstractTransport,
    kTcpTransport,
    kFifoTransport,
    kMqueueTransport,
    kSysvmqTransport,
    // Not for addresses that come from elsewhere: kHarmless.
    kPipeTransport,
    kExecTransport,
    kStdioTransport,
    kSystemdTransport,
    kFdTransport,
};
constexpr size_t kHarmless = std::size(kTransports) - 5;
static_assert(kTransports[kHarmless].dial == kPipeTransport.dial);

}  // namespace

TransportTable AllTransports() { return kTransports; }

TransportTable TransportsForUntrustedAddresses() {
  return TransportTable(kTransports).first(kHarmless);
}

}  // namespace nigh

#ifndef NIGH_EXAMPLES_CUSTOM_TRANSPORT_SEQPACKET_H_
#define NIGH_EXAMPLES_CUSTOM_TRANSPORT_SEQPACKET_H_

#include "nigh/transport/transport.h"

namespace nigh {

// seqpacket:PATH: a Unix socket on which the kernel keeps packets apart. One packet is one frame.
extern const Transport kSeqpacketTransport;

}  // namespace nigh

#endif  // NIGH_EXAMPLES_CUSTOM_TRANSPORT_SEQPACKET_H_

#ifndef NIGH_TRANSPORTS_PROCESS_PROC_H_
#define NIGH_TRANSPORTS_PROCESS_PROC_H_

#include <string>

namespace nigh {

// The beginning of a file of proc(5), which is short. Empty: there is none, or its process has been
// reaped meanwhile.
std::string ReadProc(const std::string& path);

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_PROCESS_PROC_H_

#ifndef NIGH_INTROSPECTION_CALLERS_H_
#define NIGH_INTROSPECTION_CALLERS_H_

#include "nigh/method.h"

namespace nigh {

// Who may look into a server unless its ServerOptions::allow says otherwise.
inline Callers OwnUserAndRoot() { return {.same_user = true, .root = true}; }

}  // namespace nigh

#endif  // NIGH_INTROSPECTION_CALLERS_H_

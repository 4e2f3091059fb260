#ifndef NIGH_VERSION_H_
#define NIGH_VERSION_H_

namespace nigh {

// Ties generated code to the runtime that it was generated for. Raised whenever generated code of
// before would no longer compile or work.
inline constexpr int kGeneratedCodeVersion = 1;

}  // namespace nigh

#endif  // NIGH_VERSION_H_

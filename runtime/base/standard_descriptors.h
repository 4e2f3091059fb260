#ifndef NIGH_RUNTIME_BASE_STANDARD_DESCRIPTORS_H_
#define NIGH_RUNTIME_BASE_STANDARD_DESCRIPTORS_H_

namespace nigh {

// Opens /dev/null where descriptor 0, 1 or 2 is closed. Otherwise the next socket would have that
// number, and what somebody prints would go onto the wire. To be called before descriptors are
// made.
void FillStandardDescriptors();

}  // namespace nigh

#endif  // NIGH_RUNTIME_BASE_STANDARD_DESCRIPTORS_H_

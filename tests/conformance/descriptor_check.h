#ifndef NIGH_TESTS_CONFORMANCE_DESCRIPTOR_CHECK_H_
#define NIGH_TESTS_CONFORMANCE_DESCRIPTOR_CHECK_H_

namespace nigh::testing {

// Expects, as it goes, that this process has as many open descriptors as when it came. A member of
// the fixture of each test that opens any: one whose last close comes a moment after its end would
// be counted as the next one's.
class DescriptorCheck {
 public:
  DescriptorCheck();
  DescriptorCheck(const DescriptorCheck&) = delete;
  DescriptorCheck& operator=(const DescriptorCheck&) = delete;
  ~DescriptorCheck();

 private:
  const int before_;
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_CONFORMANCE_DESCRIPTOR_CHECK_H_

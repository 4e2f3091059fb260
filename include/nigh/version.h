#ifndef NIGH_VERSION_H_
#define NIGH_VERSION_H_

// The version of nigh that a program is compiled against. CHANGELOG.md says what a number promises.
#define NIGH_VERSION_MAJOR 0
#define NIGH_VERSION_MINOR 1
#define NIGH_VERSION_PATCH 0

// As one number to compare with: #if NIGH_VERSION >= NIGH_MAKE_VERSION(0, 2, 0)
#define NIGH_MAKE_VERSION(major, minor, patch) ((major)*1000000 + (minor)*1000 + (patch))
#define NIGH_VERSION NIGH_MAKE_VERSION(NIGH_VERSION_MAJOR, NIGH_VERSION_MINOR, NIGH_VERSION_PATCH)

#endif  // NIGH_VERSION_H_

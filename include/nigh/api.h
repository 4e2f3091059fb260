#ifndef NIGH_API_H_
#define NIGH_API_H_

// Marks what a program may use of libnigh.so. All else in it is hidden, so that it may change
// (cmake/exported_symbols.txt lists what is not).
#define NIGH_API [[gnu::visibility("default")]]

#endif  // NIGH_API_H_

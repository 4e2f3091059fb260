#ifndef NIGH_TRANSPORTS_SHM_WAKE_MARK_H_
#define NIGH_TRANSPORTS_SHM_WAKE_MARK_H_

#include <atomic>
#include <cstdint>

namespace nigh {

// When one side of a ring has to wake the other: only when the other sleeps, and once a sleep.
//
// Two words, each written by one side. The position of the one who works (how far it has written,
// or read) only grows. The mark of the one who waits says at which position it fell asleep. Who
// works rings the bell when a move of its takes the position past the mark:
//
//   who works, at old                    who waits, having seen the position at `at`
//     W1  position = new                   S1  mark = at
//     W2  look at mark                     S2  look at position
//     ring the bell if                     sleep if it is still `at` (or before it)
//       old <= mark < new
//
// Why no wake-up is lost: all four are sequentially consistent, so there is one order of them that
// both sides agree on. Suppose the waiter sleeps although the position moved past `at`, and take
// the move that passed it, old <= at < new. S2 did not see it, so S2 comes before its W1; S1 comes
// before S2 and W1 before W2; hence S1 comes before W2, which sees the mark `at`, or a later mark
// of a later sleep, whose own turn it is then. It rings. A bell rung between S2 and the sleep is
// remembered by the bell: it is an eventfd or a message in a socket.
//
// Why none is wasted: a mark that has been passed stays behind, and no later move passes it again.
//
// With weaker order it fails: W2 may be satisfied while W1 still waits in the store buffer, S2
// likewise, and both sides miss each other. tests/shm/wake_mark_test.cc tries every interleaving,
// store buffers included, and finds that one as soon as an order below is made weaker. On x86 the
// seq_cst store is one locked exchange, some 5 ns, and the loads cost nothing more.
//
// The scheme is virtio's event index (VIRTIO 1.2, 2.7.10); io_uring's SQPOLL wake-up has the same
// fence. `Word` is std::atomic<uint64_t>, or what a test puts in its place.

// A mark that no move passes.
inline constexpr uint64_t kNoMark = ~uint64_t{0};

// W1 and W2. True: ring the bell. `checked` is the position up to which earlier moves have looked
// at the mark, usually where the position was.
template <typename Word>
bool MovePast(Word& position, const Word& mark, uint64_t checked, uint64_t to) {
  position.store(to, std::memory_order_seq_cst);
  return mark.load(std::memory_order_seq_cst) - checked < to - checked;
}

// S1 and S2. What the position is now; the caller may sleep if it is not past `at`.
template <typename Word>
uint64_t MarkAndLook(Word& mark, const Word& position, uint64_t at) {
  mark.store(at, std::memory_order_seq_cst);
  return position.load(std::memory_order_seq_cst);
}

}  // namespace nigh

#endif  // NIGH_TRANSPORTS_SHM_WAKE_MARK_H_

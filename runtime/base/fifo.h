#ifndef NIGH_RUNTIME_BASE_FIFO_H_
#define NIGH_RUNTIME_BASE_FIFO_H_

#include <cstddef>
#include <utility>
#include <vector>

namespace nigh {

// A queue that allocates nothing until it holds something. The inboxes of most calls never do, and
// a std::deque allocates when it is made. The front is an index: pop_front moves elements only once
// half of them have been taken.
template <class T>
class Fifo {
 public:
  bool empty() const { return front_ == items_.size(); }
  size_t size() const { return items_.size() - front_; }
  T& front() { return items_[front_]; }
  const T& front() const { return items_[front_]; }
  T& operator[](size_t i) { return items_[front_ + i]; }  // counted from the front
  const T& operator[](size_t i) const { return items_[front_ + i]; }
  void push_back(T item) { items_.push_back(std::move(item)); }

  void pop_front() {
    // What it owns goes now, though its place stays for a while.
    [[maybe_unused]] const T popped = std::move(items_[front_]);
    ++front_;
    if (front_ * 2 < items_.size()) return;
    items_.erase(items_.begin(), items_.begin() + static_cast<std::ptrdiff_t>(front_));
    front_ = 0;
  }

  void clear() {
    items_.clear();
    front_ = 0;
  }

  typename std::vector<T>::const_iterator begin() const {
    return items_.begin() + static_cast<std::ptrdiff_t>(front_);
  }
  typename std::vector<T>::const_iterator end() const { return items_.end(); }

 private:
  std::vector<T> items_;
  size_t front_ = 0;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_BASE_FIFO_H_

// Every sequence of events, as far as kDepth goes, against a model that shares nothing with
// CallState but its interface: the model keeps the whole history and counts.

#include "nigh/runtime/call/call_state.h"

#include <algorithm>
#include <cstdint>
#include <deque>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "gtest/gtest.h"
#include "nigh/method.h"

namespace nigh {
namespace {

using End = CallState::End;

constexpr MethodKind kKinds[] = {MethodKind::kUnary, MethodKind::kServerStreaming,
                                 MethodKind::kClientStreaming, MethodKind::kBidiStreaming};
constexpr int kDepth = 7;

enum class Action { kSend, kReceive, kClose };

struct Event {
  Action action;
  bool message = false;
  bool end = false;
};

constexpr Event kEvents[] = {
    {Action::kSend, false, false},
    {Action::kSend, false, true},
    {Action::kSend, true, false},
    {Action::kSend, true, true},
    {Action::kReceive, false, false},
    {Action::kReceive, false, true},
    {Action::kReceive, true, false},
    {Action::kReceive, true, true},
    {Action::kClose},
};

Verdict Apply(CallState& state, const Event& event) {
  switch (event.action) {
    case Action::kSend:
      return state.Send(event.message, event.end);
    case Action::kReceive:
      return state.Receive(event.message, event.end);
    case Action::kClose:
      state.Close();
  }
  return Verdict::kOk;
}

// The events that a call has accepted, and what gRPC's rules make of one more.
class History {
 public:
  History(MethodKind kind, End end) : kind_(kind), end_(end) {}

  int Messages(Action action) const {
    return Count([&](const Event& e) { return e.action == action && e.message; });
  }
  bool Ended(Action action) const {
    return Count([&](const Event& e) { return e.action == action && e.end; }) > 0;
  }
  bool Closed() const {
    return Count([](const Event& e) { return e.action == Action::kClose; }) > 0;
  }

  Verdict Judge(const Event& event) const {
    if (event.action == Action::kClose) return Verdict::kOk;
    if (Closed()) return Verdict::kLate;
    if (Ended(event.action)) return Verdict::kAfterEnd;
    if (!IsStream(event.action)) {
      const int messages = Messages(event.action) + (event.message ? 1 : 0);
      if (messages > 1) return Verdict::kTooMany;
      if (messages < 1 && event.end) return Verdict::kTooFew;
    }
    return Verdict::kOk;
  }

  void Push(const Event& event) { events_.push_back(event); }
  void Pop() { events_.pop_back(); }

 private:
  template <class Predicate>
  int Count(Predicate predicate) const {
    return static_cast<int>(std::count_if(events_.begin(), events_.end(), predicate));
  }
  bool IsStream(Action action) const {
    const bool from_client = (action == Action::kSend) == (end_ == End::kClient);
    return kind_ == MethodKind::kBidiStreaming ||
           kind_ == (from_client ? MethodKind::kClientStreaming : MethodKind::kServerStreaming);
  }

  const MethodKind kind_;
  const End end_;
  std::vector<Event> events_;
};

class EverySequence : public ::testing::TestWithParam<std::tuple<MethodKind, End>> {
 protected:
  // False: a failure has been reported; one is enough.
  bool Explore(const CallState& state, History& history, int depth) {
    if (!Agrees(state, history)) return false;
    if (depth == 0) return true;
    for (const Event& event : kEvents) {
      const Verdict expected = history.Judge(event);
      CallState next = state;
      const Verdict got = Apply(next, event);
      ++events_;
      if (got != expected) return Fail("a verdict", state, history, event);
      if (got != Verdict::kOk && next != state) return Fail("a trace", state, history, event);
      if (got == Verdict::kOk) history.Push(event);
      const bool fine = Explore(next, history, depth - 1);
      if (got == Verdict::kOk) history.Pop();
      if (!fine) return false;
    }
    return true;
  }

  int64_t events_ = 0;

 private:
  static bool Agrees(const CallState& state, const History& history) {
    const bool closed = history.Closed();
    const bool fine = state.closed() == closed &&
                      state.can_send() == (!closed && !history.Ended(Action::kSend)) &&
                      state.can_receive() == (!closed && !history.Ended(Action::kReceive)) &&
                      state.sent() == std::min(2, history.Messages(Action::kSend)) &&
                      state.received() == std::min(2, history.Messages(Action::kReceive));
    if (!fine) ADD_FAILURE() << "the observers differ from the history";
    return fine;
  }
  static bool Fail(const char* what, const CallState& state, const History& history,
                   const Event& event) {
    ADD_FAILURE() << what << " that the model has not: event " << static_cast<int>(event.action)
                  << " message " << event.message << " end " << event.end << " after "
                  << history.Messages(Action::kSend) << " sent, "
                  << history.Messages(Action::kReceive) << " received, closed " << state.closed();
    return false;
  }
};

TEST_P(EverySequence, IsJudgedAsTheModelJudgesIt) {
  const auto [kind, end] = GetParam();
  History history(kind, end);
  EXPECT_TRUE(Explore(CallState(kind, end), history, kDepth));
  if (HasFailure()) return;
  int64_t all = 0;
  for (int64_t level = 1, depth = 0; depth < kDepth; ++depth) {
    level *= std::size(kEvents);
    all += level;
  }
  EXPECT_EQ(events_, all);
}

std::string KindAndEnd(const ::testing::TestParamInfo<std::tuple<MethodKind, End>>& info) {
  constexpr const char* kNames[] = {"Unary", "ServerStreaming", "ClientStreaming", "BidiStreaming"};
  const auto [kind, end] = info.param;
  return std::string(kNames[static_cast<int>(kind)]) + (end == End::kClient ? "Client" : "Server");
}

INSTANTIATE_TEST_SUITE_P(CallState, EverySequence,
                         ::testing::Combine(::testing::ValuesIn(kKinds),
                                            ::testing::Values(End::kClient, End::kServer)),
                         KindAndEnd);

// What travels between the two ends of one call.
struct Parcel {
  bool message = false;
  bool end = false;
  bool close = false;  // a response from the server, a cancellation from the client
  auto operator<=>(const Parcel&) const = default;  // NOLINT(modernize-use-nullptr): in <compare>
};

// Both ends and what is on its way, in order, from each to the other.
struct World {
  CallState client;
  CallState server;
  std::deque<Parcel> to_server;
  std::deque<Parcel> to_client;

  using Key =
      std::tuple<std::tuple<bool, bool, bool, int, int>, std::tuple<bool, bool, bool, int, int>,
                 std::deque<Parcel>, std::deque<Parcel>>;
  Key key() const { return {Observe(client), Observe(server), to_server, to_client}; }
  static std::tuple<bool, bool, bool, int, int> Observe(const CallState& state) {
    return {state.closed(), state.can_send(), state.can_receive(), state.sent(), state.received()};
  }
};

// Explores every world that legal moves lead to, whatever the speed of each direction.
class TwoEnds : public ::testing::TestWithParam<MethodKind> {
 protected:
  static constexpr size_t kOnTheWay = 3;

  void Visit(World world) {
    if (HasFailure() || !seen_.insert(world.key()).second) return;
    open_.push_back(std::move(world));
  }

  void Explore() {
    const CallState client(GetParam(), End::kClient);
    const CallState server(GetParam(), End::kServer);
    Visit({client, server, {}, {}});
    while (!open_.empty() && !HasFailure()) {
      const World world = std::move(open_.back());
      open_.pop_back();
      CheckAgreement(world);
      MoveOf(world, &World::client, &World::to_server);
      MoveOf(world, &World::server, &World::to_client);
      Arrival(world, &World::server, &World::to_server);
      Arrival(world, &World::client, &World::to_client);
    }
  }

  size_t worlds() const { return seen_.size(); }

 private:
  // Everything that an end may do by its own state, and its closing.
  void MoveOf(const World& world, CallState World::*end, std::deque<Parcel> World::*out) {
    if ((world.*out).size() >= kOnTheWay || (world.*end).closed()) return;
    for (const bool message : {false, true}) {
      for (const bool last : {false, true}) {
        World next = world;
        if ((next.*end).Send(message, last) != Verdict::kOk) continue;
        (next.*out).push_back({.message = message, .end = last});
        Visit(std::move(next));
      }
    }
    World next = world;
    (next.*end).Close();
    (next.*out).push_back({.close = true});
    Visit(std::move(next));
  }

  void Arrival(const World& world, CallState World::*end, std::deque<Parcel> World::*in) {
    if ((world.*in).empty()) return;
    World next = world;
    const Parcel parcel = (next.*in).front();
    (next.*in).pop_front();
    if (parcel.close) {
      (next.*end).Close();
    } else {
      const bool was_closed = (next.*end).closed();
      const Verdict verdict = (next.*end).Receive(parcel.message, parcel.end);
      EXPECT_EQ(verdict, was_closed ? Verdict::kLate : Verdict::kOk)
          << "legal moves were taken for a violation";
    }
    Visit(std::move(next));
  }

  // With nothing on its way, what one has sent the other has received.
  void CheckAgreement(const World& world) {
    if (!world.to_server.empty() || !world.to_client.empty()) return;
    EXPECT_EQ(world.client.closed(), world.server.closed());
    EXPECT_EQ(world.client.can_send(), world.server.can_receive());
    EXPECT_EQ(world.server.can_send(), world.client.can_receive());
    if (world.client.closed()) return;  // what was late has not been counted
    EXPECT_EQ(world.client.sent(), world.server.received());
    EXPECT_EQ(world.server.sent(), world.client.received());
  }

  std::set<World::Key> seen_;
  std::vector<World> open_;
};

TEST_P(TwoEnds, NeverSeeAViolationWhenBothMakeLegalMoves) {
  Explore();
  EXPECT_GT(worlds(), 100u);
}

INSTANTIATE_TEST_SUITE_P(CallState, TwoEnds, ::testing::ValuesIn(kKinds));

TEST(CallState, IsAConstantExpression) {
  constexpr Verdict kSecond = [] {
    CallState state(MethodKind::kUnary, End::kClient);
    (void)state.Send(true, false);
    return state.Send(true, true);
  }();
  static_assert(kSecond == Verdict::kTooMany);
  EXPECT_EQ(kSecond, Verdict::kTooMany);
}

}  // namespace
}  // namespace nigh

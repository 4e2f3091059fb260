#include "nigh/testing/faulty_transport.h"

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "nigh/mutex.h"
#include "nigh/testing/fault_lane.h"
#include "nigh/testing/fault_script.h"
#include "nigh/testing/faulty_connection.h"
#include "nigh/testing/faulty_stream.h"
#include "nigh/transport/address.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/errno_status.h"
#include "nigh/transport/transport.h"
#include "nigh/transports/stream/byte_stream.h"
#include "nigh/transports/stream/stream_filter.h"

namespace nigh::testing {
namespace {

// What this process knows of all addresses.
class Records {
 public:
  std::shared_ptr<FaultRecord> Of(const std::string& key) {
    MutexLock lock(mutex_);
    std::shared_ptr<FaultRecord>& record = records_[key];
    if (record == nullptr) record = std::make_shared<FaultRecord>();
    return record;
  }

  void Forget() {
    MutexLock lock(mutex_);
    records_.clear();
  }

 private:
  Mutex mutex_;
  std::map<std::string, std::shared_ptr<FaultRecord>> records_ ABSL_GUARDED_BY(mutex_);
};

// Never destroyed: connections may outlive the end of main().
Records& TheRecords() {
  static auto& records = *new Records;
  return records;
}

std::string DialledKey(absl::string_view address) { return absl::StrCat("dialled ", address); }
std::string AcceptedKey(absl::string_view address) { return absl::StrCat("accepted ", address); }

FaultCounts CountsOf(const std::string& key) {
  const std::shared_ptr<FaultRecord> record = TheRecords().Of(key);
  return {.connections = record->connections.load(std::memory_order_relaxed),
          .in = record->in.load(std::memory_order_relaxed),
          .out = record->out.load(std::memory_order_relaxed),
          .faults = record->faults.load(std::memory_order_relaxed)};
}

std::vector<Transport>& InnerTransports() {
  static auto& transports =
      *new std::vector<Transport>(AllTransports().begin(), AllTransports().end());
  return transports;
}

// An address, taken apart.
struct FaultyAddress {
  std::string faults;  // as written
  FaultScript script;
  Address inner;
  const Transport* transport;
};

absl::StatusOr<FaultyAddress> TakeApart(const Address& address) {
  const std::vector<std::string> parts = absl::StrSplit(address.name, absl::MaxSplits(':', 2));
  if (parts.size() != 3) {
    return absl::InvalidArgumentError(absl::StrCat(
        "address \"", address.ToString(),
        "\": write faulty:FAULTS:ADDRESS, as in faulty:in@57=cut:unix:/run/greeter.sock"));
  }
  absl::StatusOr<FaultScript> script = FaultScript::Parse(parts[0]);
  if (!script.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat("address \"", address.ToString(), "\": ", script.status().message()));
  }
  FaultyAddress result{.faults = parts[0],
                       .script = *std::move(script),
                       .inner = {parts[1], parts[2], address.parameters},
                       .transport = nullptr};
  absl::StatusOr<const Transport*> transport = FindTransport(InnerTransports(), result.inner);
  if (!transport.ok()) return transport.status();
  result.transport = *transport;
  return result;
}

// Has `make`, a dial or an accept, make the next connection of `record`, and puts faults on it: on
// its stream, if it has one, or else on its frames.
template <class Make>
absl::StatusOr<std::unique_ptr<Connection>> MakeFaulty(const std::shared_ptr<FaultRecord>& record,
                                                       ConnectionFaults faults, Make make) {
  const auto link = std::make_shared<FaultyLink>(record);
  bool has_stream = false;
  const auto add_faults = [&](std::unique_ptr<ByteStream> stream) -> std::unique_ptr<ByteStream> {
    has_stream = true;
    return std::make_unique<FaultyStream>(std::move(stream), faults, link);
  };
  absl::StatusOr<std::unique_ptr<Connection>> connection;
  {
    const ScopedStreamFilter filter(add_faults);
    connection = make();
  }
  if (!connection.ok() || *connection == nullptr) return connection;
  link->peer.store((*connection)->peer().pid.value_or(0), std::memory_order_relaxed);
  if (has_stream) return connection;
  return std::make_unique<FaultyConnection>(*std::move(connection), std::move(faults), link);
}

class FaultyListener final : public Listener {
 public:
  FaultyListener(FaultyAddress address, std::unique_ptr<Listener> listener)
      : script_(std::move(address.script)),
        listener_(std::move(listener)),
        address_({"faulty",
                  absl::StrCat(address.faults, ":", listener_->address().scheme, ":",
                               listener_->address().name),
                  listener_->address().parameters}),
        record_(TheRecords().Of(AcceptedKey(address_.ToString()))) {}

  absl::StatusOr<std::unique_ptr<Connection>> Accept() override {
    const int number = record_->connections.load(std::memory_order_relaxed) + 1;
    absl::StatusOr<std::unique_ptr<Connection>> connection =
        MakeFaulty(record_, script_.Of(number), [&] { return listener_->Accept(); });
    if (connection.ok() && *connection != nullptr) {
      record_->connections.store(number, std::memory_order_relaxed);
    }
    return connection;
  }

  void SetGate(nigh::Gate gate) override { listener_->SetGate(std::move(gate)); }
  Wake Arm() override { return listener_->Arm(); }
  const Address& address() const override { return address_; }

 private:
  const FaultScript script_;
  const std::unique_ptr<Listener> listener_;
  const Address address_;
  const std::shared_ptr<FaultRecord> record_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Connection>> DialFaulty(const Address& address) {
  absl::StatusOr<FaultyAddress> parts = TakeApart(address);
  if (!parts.ok()) return parts.status();
  const std::string where = address.ToString();
  const std::shared_ptr<FaultRecord> record = TheRecords().Of(DialledKey(where));
  ConnectionFaults faults =
      parts->script.Of(record->connections.fetch_add(1, std::memory_order_relaxed) + 1);
  if (faults.dial_error != 0) {
    record->faults.fetch_add(1, std::memory_order_relaxed);
    return UnavailableErrno(faults.dial_error, where, "connect");
  }
  return MakeFaulty(record, std::move(faults),
                    [&] { return parts->transport->dial(parts->inner); });
}

absl::StatusOr<std::unique_ptr<Listener>> ListenFaulty(const Address& address) {
  absl::StatusOr<FaultyAddress> parts = TakeApart(address);
  if (!parts.ok()) return parts.status();
  absl::StatusOr<std::unique_ptr<Listener>> listener = parts->transport->listen(parts->inner);
  if (!listener.ok()) return listener.status();
  return std::make_unique<FaultyListener>(*std::move(parts), *std::move(listener));
}

TransportTable FaultyTransports() {
  static const auto& transports = *[] {
    auto* table = new std::vector<Transport>(AllTransports().begin(), AllTransports().end());
    table->push_back(kFaultyTransport);
    return table;
  }();
  return transports;
}

void AddFaultyTransports(TransportTable table) {
  InnerTransports().insert(InnerTransports().end(), table.begin(), table.end());
}

FaultCounts CountDialled(absl::string_view address) { return CountsOf(DialledKey(address)); }
FaultCounts CountAccepted(absl::string_view address) { return CountsOf(AcceptedKey(address)); }

void ForgetFaults() { TheRecords().Forget(); }

}  // namespace nigh::testing

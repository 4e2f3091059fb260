#ifndef NIGH_TESTS_CONFORMANCE_SCRIPT_H_
#define NIGH_TESTS_CONFORMANCE_SCRIPT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "nigh/client_context.h"
#include "nigh/message_extras.h"
#include "tests/conformance/scripted.pb.h"

namespace nigh::testing {

inline constexpr char kScriptKey[] = "script-bin";

// An attachment of so many bytes, no two places of which look alike.
inline Attachment AttachmentOf(size_t size) {
  std::string bytes;
  bytes.reserve(size + 8);
  for (uint64_t i = 0; bytes.size() < size; ++i) {
    const uint64_t mixed = (i + 1) * 0x9e3779b97f4a7c15;
    bytes.append(reinterpret_cast<const char*>(&mixed), sizeof(mixed));
  }
  return Attachment::Copy(absl::string_view(bytes).substr(0, size));
}

// Builds a Script, which says step by step what the handler of a call does (scripted.proto).
//
//   ClientContext context;
//   Play().Raise("running").Await("go").End(absl::AbortedError("enough")).In(context);
class Play {
 public:
  Play& Raise(absl::string_view flag) {
    Step().mutable_raise()->set_name(std::string(flag));
    return *this;
  }
  Play& Await(absl::string_view flag) {
    Step().mutable_await()->set_name(std::string(flag));
    return *this;
  }
  Play& AwaitCancel() {
    Step().mutable_await_cancel();
    return *this;
  }
  Play& Read(int count) {
    Step().set_read(count);
    return *this;
  }
  Play& ReadAll() {
    Step().mutable_read_all();
    return *this;
  }
  Play& Write(int count, int64_t size = 1) {
    nigh::testing::Write& write = *Step().mutable_write();
    write.set_count(count);
    write.set_size(size);
    return *this;
  }
  Play& Echo() {
    Step().mutable_echo();
    return *this;
  }
  Play& Initial(absl::string_view key, absl::string_view value) {
    Set(*Step().mutable_initial(), key, value);
    return *this;
  }
  Play& Trailing(absl::string_view key, absl::string_view value) {
    Set(*Step().mutable_trailing(), key, value);
    return *this;
  }
  Play& SendInitial() {
    Step().mutable_send_initial();
    return *this;
  }
  Play& Reply(int64_t size) {
    Step().set_reply(size);
    return *this;
  }
  Play& Report() {
    Step().mutable_report();
    return *this;
  }
  Play& Throw(absl::string_view what) {
    Step().set_throw_(std::string(what));
    return *this;
  }
  Play& Nested(const Play& play) {
    Step().set_nested(play.script_.SerializeAsString());
    return *this;
  }
  Play& Attach(int64_t size) {
    Step().set_attach(size);
    return *this;
  }
  Play& TryCancel() {
    Step().mutable_try_cancel();
    return *this;
  }
  Play& End(const absl::Status& status, absl::string_view detail = "") {
    return End(status.raw_code(), status.message(), detail);
  }
  Play& End(int code, absl::string_view message, absl::string_view detail = "") {
    nigh::testing::End& end = *Step().mutable_end();
    end.set_code(code);
    end.set_message(std::string(message));
    end.set_detail(std::string(detail));
    return *this;
  }

  // Adds the script to the metadata of the call of `context`.
  void In(ClientContext& context) const {
    context.AddMetadata(kScriptKey, script_.SerializeAsString());
  }
  const Script& script() const { return script_; }

 private:
  nigh::testing::Step& Step() { return *script_.add_steps(); }
  static void Set(Entry& entry, absl::string_view key, absl::string_view value) {
    entry.set_key(std::string(key));
    entry.set_value(std::string(value));
  }

  Script script_;
};

}  // namespace nigh::testing

#endif  // NIGH_TESTS_CONFORMANCE_SCRIPT_H_

#include "nigh/runtime/call/protobuf_log.h"

#include <string>

#include "google/protobuf/stubs/logging.h"

namespace nigh {
namespace {

using google::protobuf::LogHandler;
using google::protobuf::LogLevel;

// Null: the program wants no log.
LogHandler* ProgramsHandler();

void Handle(LogLevel level, const char* file, int line, const std::string& message) {
  // A fatal one is the last that is heard of the process.
  if (QuietProtobuf::Lives() && level != google::protobuf::LOGLEVEL_FATAL) return;
  if (LogHandler* const handler = ProgramsHandler()) handler(level, file, line, message);
}

// Another thread may log once ours is set: it then waits here until the program's is known.
LogHandler* ProgramsHandler() {
  static LogHandler* const handler = google::protobuf::SetLogHandler(&Handle);
  return handler;
}

}  // namespace

constinit thread_local bool QuietProtobuf::is_quiet = false;

void ListenToProtobufsLog() { ProgramsHandler(); }

}  // namespace nigh

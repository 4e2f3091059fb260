#ifndef NIGH_RUNTIME_CALL_PROTOBUF_LOG_H_
#define NIGH_RUNTIME_CALL_PROTOBUF_LOG_H_

namespace nigh {

// Protobuf logs a string that is not UTF-8 while it parses or serialises it, and its log is the
// program's standard error output. A call's errors are its status's business: what a peer sends, or
// the program itself, is not to fill the output of a program that has asked for nothing.
//
// Protobuf has one log handler for the whole process, and a silencer (LogSilencer) that takes a
// lock and silences everybody. So a handler of nigh's goes before the one that it finds. It drops
// what is logged within a QuietProtobuf of the same thread, and passes on everything else.

// Sets that handler, the first time that it is called. A handler that the program sets later takes
// its place, and is told of everything. Any thread; but a handler is set without a lock, so it is
// called when a channel or server is made, which programs do before they log.
void ListenToProtobufsLog();

// While it lives, this thread uses protobuf on behalf of a call. Costs two stores. Not nested.
class QuietProtobuf {
 public:
  QuietProtobuf() { is_quiet = true; }
  QuietProtobuf(const QuietProtobuf&) = delete;
  QuietProtobuf& operator=(const QuietProtobuf&) = delete;
  ~QuietProtobuf() { is_quiet = false; }

  // Whether one lives in this thread.
  static bool Lives() { return is_quiet; }

 private:
  static constinit thread_local bool is_quiet;
};

}  // namespace nigh

#endif  // NIGH_RUNTIME_CALL_PROTOBUF_LOG_H_

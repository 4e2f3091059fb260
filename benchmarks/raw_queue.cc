#include "benchmarks/raw_queue.h"

#include <fcntl.h>
#include <mqueue.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "benchmarks/harness/subject.h"

namespace nigh::benchmarks {
namespace {

constexpr size_t kMessage = 8192 - sizeof(long);

struct Letter {
  long type = 1;
  std::array<char, kMessage> text;
};

bool SendTo(const std::string& medium, int queue, const Letter& letter, size_t size) {
  return medium == "mqueue" ? ::mq_send(queue, letter.text.data(), size, 0) == 0
                            : ::msgsnd(queue, &letter, size, 0) == 0;
}

ssize_t ReceiveFrom(const std::string& medium, int queue, Letter& letter) {
  return medium == "mqueue" ? ::mq_receive(queue, letter.text.data(), kMessage, nullptr)
                            : ::msgrcv(queue, &letter, kMessage, 0, 0);
}

class QueueCaller final : public Caller {
 public:
  QueueCaller(std::string medium, int in, int out, size_t payload)
      : medium_(std::move(medium)), in_(in), out_(out), size_(payload) {
    if (payload == 0 || payload > kMessage) {
      Check(absl::InvalidArgumentError("--payload: a raw message has 1 to 8184 bytes"));
    }
    letter_.text.fill('x');
  }

  void Call() override {
    if (!SendTo(medium_, out_, letter_, size_) || ReceiveFrom(medium_, in_, letter_) < 0) {
      Check(absl::UnavailableError("the server is gone"));
    }
  }

 private:
  const std::string medium_;
  const int in_;
  const int out_;
  const size_t size_;
  Letter letter_;
};

class QueueLink final : public Link {
 public:
  QueueLink(std::string medium, int in, int out) : medium_(std::move(medium)), in_(in), out_(out) {}
  ~QueueLink() override { SendTo(medium_, out_, Letter(), 0); }
  std::unique_ptr<Caller> NewCaller(size_t payload) override {
    return std::make_unique<QueueCaller>(medium_, in_, out_, payload);
  }

 private:
  const std::string medium_;
  const int in_;
  const int out_;
};

int MakeQueue(const std::string& medium) {
  if (medium == "sysvmq") return ::msgget(IPC_PRIVATE, 0600);
  const std::string name = absl::StrCat("/nigh-raw-bench-", ::getpid());
  mq_attr size = {};
  size.mq_maxmsg = 4;
  size.mq_msgsize = kMessage;
  const int queue = ::mq_open(name.c_str(), O_CREAT | O_EXCL | O_RDWR, 0600, &size);
  ::mq_unlink(name.c_str());
  // The server inherits it.
  if (queue >= 0) ::fcntl(queue, F_SETFD, 0);
  return queue;
}

}  // namespace

bool IsQueue(const std::string& medium) { return medium == "mqueue" || medium == "sysvmq"; }

RawQueues::RawQueues(const std::string& medium)
    : medium_(medium), up_(MakeQueue(medium)), down_(MakeQueue(medium)) {}

RawQueues::~RawQueues() {
  for (const int queue : {up_, down_}) {
    if (medium_ == "mqueue") {
      ::mq_close(queue);
    } else {
      ::msgctl(queue, IPC_RMID, nullptr);
    }
  }
}

std::string RawQueues::address() const { return absl::StrCat(medium_, ":", up_, ":", down_); }

std::unique_ptr<Link> RawQueues::Connect() const {
  return std::make_unique<QueueLink>(medium_, down_, up_);
}

void EchoMessages(const std::string& medium, int in, int out) {
  auto letter = std::make_unique<Letter>();
  for (;;) {
    const ssize_t size = ReceiveFrom(medium, in, *letter);
    if (size <= 0 || !SendTo(medium, out, *letter, static_cast<size_t>(size))) return;
  }
}

}  // namespace nigh::benchmarks

#include "tests/fuzz/sent_fds.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/descriptors.h"
#include "nigh/transport/frame.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/stream/passed_descriptors.h"
#include "tests/fuzz/input.h"

namespace nigh::testing {
namespace {

struct Kind {
  UniqueFd fd;
  struct stat file = {};
};

UniqueFd Memory(int seals) {
  UniqueFd fd(::memfd_create("sent", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  Expect(fd && ::ftruncate(fd.get(), 4096) == 0 && ::fcntl(fd.get(), F_ADD_SEALS, seals) == 0,
         "there is memory");
  return fd;
}

std::array<Kind, SentFds::kKinds> MakeKinds() {
  std::array<int, 2> pipe;
  std::array<int, 2> sockets;
  Expect(::pipe2(pipe.data(), O_CLOEXEC | O_NONBLOCK) == 0 &&
             ::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets.data()) == 0,
         "there are a pipe and sockets");
  std::array<Kind, SentFds::kKinds> kinds;
  size_t next = 0;
  for (UniqueFd& fd :
       std::array{UniqueFd(pipe[0]), UniqueFd(pipe[1]), UniqueFd(sockets[0]), UniqueFd(sockets[1]),
                  Memory(F_SEAL_SHRINK), Memory(0), UniqueFd(::open("/", O_DIRECTORY | O_CLOEXEC)),
                  UniqueFd(::open("/dev/null", O_RDWR | O_CLOEXEC)),
                  UniqueFd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
                  UniqueFd(::open("/proc/self/exe", O_PATH | O_CLOEXEC))}) {
    Kind& kind = kinds[next++];
    kind.fd = std::move(fd);
    Expect(kind.fd && ::fstat(kind.fd.get(), &kind.file) == 0, "there is one of each kind");
  }
  return kinds;
}

const std::array<Kind, SentFds::kKinds>& Kinds() {
  static const auto& kinds = *new auto(MakeKinds());
  return kinds;
}

}  // namespace

void SentFds::Make() { (void)Kinds(); }

SentFds SentFds::From(Input& input) {
  SentFds fds;
  const uint8_t many = input.Take();
  fds.count = many < 240 ? many % 16 : std::min<uint8_t>(many, kMostDescriptors);
  if (fds.count != 0) fds.first = input.Take() % kKinds;
  return fds;
}

std::vector<int> SentFds::fds() const {
  std::vector<int> fds(count);
  for (size_t i = 0; i < count; ++i) fds[i] = Kinds()[(first + i) % kKinds].fd.get();
  return fds;
}

std::shared_ptr<const Descriptors> SentFds::Copies() const {
  auto copies = std::make_shared<Descriptors>();
  for (const int fd : fds()) copies->Add(UniqueFd(::fcntl(fd, F_DUPFD_CLOEXEC, 0)));
  return copies;
}

bool SentFds::Are(const Descriptors& received) const {
  if (received.complete() ? received.size() != count : received.size() > count) return false;
  for (size_t i = 0; i < received.size(); ++i) {
    const struct stat& sent = Kinds()[(first + i) % kKinds].file;
    struct stat file;
    if (::fstat(received[i].get(), &file) != 0 || file.st_dev != sent.st_dev ||
        file.st_ino != sent.st_ino) {
      return false;
    }
  }
  return true;
}

ssize_t SendMessage(int socket, absl::string_view bytes, const SentFds& fds) {
  return SendWithDescriptors(socket, AsBytes(bytes), fds.fds());
}

TightLimit::TightLimit(int room) {
  Expect(::getrlimit(RLIMIT_NOFILE, &before_) == 0, "getrlimit");
  // What is open has the lowest numbers, or nearly so.
  const UniqueFd next(::dup(0));
  const rlimit tight = {.rlim_cur = static_cast<rlim_t>(next.get() + room),
                        .rlim_max = before_.rlim_max};
  Expect(::setrlimit(RLIMIT_NOFILE, &tight) == 0, "setrlimit");
}

TightLimit::~TightLimit() { (void)::setrlimit(RLIMIT_NOFILE, &before_); }

}  // namespace nigh::testing

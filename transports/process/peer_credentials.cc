#include "nigh/transports/process/peer_credentials.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "nigh/runtime/base/pidfd.h"
#include "nigh/runtime/base/uninterrupted.h"
#include "nigh/transport/connection.h"
#include "nigh/transport/unique_fd.h"
#include "nigh/transports/process/proc.h"

namespace nigh {
namespace {

// Of Linux 6.5, newer than the C library's headers: include/uapi/asm-generic/socket.h, socket.h.
constexpr int kPassPidfd = 76;
constexpr int kScmPidfd = 0x04;

// Which of the system's numbers stands for users, or groups, that have none in this user namespace
// (user_namespaces(7)).
class Overflow {
 public:
  explicit constexpr Overflow(const char* path) : path_(path) {}

  // Read once: a connection asks for each group, and whoever changes it does so at boot.
  uint32_t number() {
    const int64_t known = known_.load(std::memory_order_relaxed);
    if (known >= 0) return static_cast<uint32_t>(known);
    // Where it cannot be read, as for want of descriptors, it is what Linux begins with.
    constexpr uint32_t kUsual = 65534;
    uint32_t read = 0;
    if (!absl::SimpleAtoi(ReadProc(path_), &read)) return kUsual;
    known_.store(read, std::memory_order_relaxed);
    return read;
  }

 private:
  const char* const path_;
  std::atomic<int64_t> known_ = -1;
};

constinit Overflow overflow_user("/proc/sys/kernel/overflowuid");
constinit Overflow overflow_group("/proc/sys/kernel/overflowgid");

// Whether the number stands for those that have none; `map` tells whether there are any.
bool StandsForUnknown(uint32_t id, Overflow& overflow, const char* map) {
  if (id != overflow.number()) return false;
  // All numbers but the last, which is none.
  constexpr uint64_t kAll = UINT32_MAX;
  uint64_t mapped = 0;
  for (const absl::string_view line :
       absl::StrSplit(ReadProc(absl::StrCat("/proc/self/", map)), '\n', absl::SkipEmpty())) {
    const std::vector<absl::string_view> fields = absl::StrSplit(line, ' ', absl::SkipEmpty());
    uint64_t count = 0;
    if (fields.size() == 3 && absl::SimpleAtoi(fields[2], &count)) mapped += count;
  }
  return mapped < kAll;
}

std::optional<pid_t> KnownProcess(pid_t pid) {
  return pid > 0 ? std::optional<pid_t>(pid) : std::nullopt;
}

std::vector<gid_t> KnownGroups(std::vector<gid_t> groups) {
  groups.erase(std::remove_if(groups.begin(), groups.end(),
                              [](gid_t gid) { return !KnownGroup(gid).has_value(); }),
               groups.end());
  return groups;
}

std::optional<std::vector<gid_t>> GroupsOfSocket(int socket) {
  std::vector<gid_t> groups(32);
  for (;;) {
    auto size = static_cast<socklen_t>(groups.size() * sizeof(gid_t));
    const int result = ::getsockopt(socket, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size);
    if (result != 0 && errno != ERANGE) return std::nullopt;
    groups.resize(size / sizeof(gid_t));
    if (result == 0) return KnownGroups(std::move(groups));
  }
}

std::optional<std::string> Label(absl::string_view text) {
  text = absl::StripTrailingAsciiWhitespace(text.substr(0, text.find('\0')));
  return text.empty() ? std::nullopt : std::optional<std::string>(text);
}

std::optional<std::string> LabelOfSocket(int socket) {
  std::string label(256, '\0');
  for (;;) {
    auto size = static_cast<socklen_t>(label.size());
    const int result = ::getsockopt(socket, SOL_SOCKET, SO_PEERSEC, label.data(), &size);
    if (result != 0 && (errno != ERANGE || size <= label.size())) return std::nullopt;
    label.resize(size);
    if (result == 0) return Label(label);
  }
}

// Whether the system may label processes. Where it does, this one has a label, too.
bool MayLabelProcesses() {
  static std::atomic<bool> does_not = false;
  if (does_not.load(std::memory_order_relaxed)) return false;
  const UniqueFd own(
      Uninterrupted([] { return ::open("/proc/self/attr/current", O_RDONLY | O_CLOEXEC); }));
  char first = '\0';
  // That it cannot be opened may pass.
  if (!own || Uninterrupted([&] { return ::read(own.get(), &first, 1); }) > 0) return true;
  does_not.store(true, std::memory_order_relaxed);
  return false;
}

std::optional<std::vector<gid_t>> GroupsOfProcess(pid_t pid) {
  const std::string text = ReadProc(absl::StrCat("/proc/", pid, "/status"));
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::ConsumePrefix(&line, "Groups:")) continue;
    std::vector<gid_t> groups;
    for (const absl::string_view word :
         absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty())) {
      if (!absl::SimpleAtoi(word, &groups.emplace_back())) return std::nullopt;
    }
    return KnownGroups(std::move(groups));
  }
  return std::nullopt;
}

}  // namespace

std::optional<uid_t> KnownUser(uid_t uid) {
  return StandsForUnknown(uid, overflow_user, "uid_map") ? std::nullopt : std::optional<uid_t>(uid);
}

std::optional<gid_t> KnownGroup(gid_t gid) {
  return StandsForUnknown(gid, overflow_group, "gid_map") ? std::nullopt
                                                          : std::optional<gid_t>(gid);
}

PeerIdentity IdentifyPeer(int socket, std::string address, std::string medium) {
  PeerIdentity peer = {.address = std::move(address), .medium = std::move(medium)};
  ucred credentials;
  socklen_t size = sizeof(credentials);
  if (::getsockopt(socket, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0) {
    peer.uid = KnownUser(credentials.uid);
    peer.gid = KnownGroup(credentials.gid);
    peer.pid = KnownProcess(credentials.pid);
  }
  peer.groups = GroupsOfSocket(socket);
  peer.label = LabelOfSocket(socket);
  return peer;
}

PeerIdentity IdentifyOwner(int fd, std::string address, std::string medium) {
  PeerIdentity owner = {.address = std::move(address), .medium = std::move(medium)};
  struct stat file;
  if (::fstat(fd, &file) == 0) {
    owner.uid = KnownUser(file.st_uid);
    owner.gid = KnownGroup(file.st_gid);
  }
  return owner;
}

void AskForSenders(int socket, bool ask) {
  const int on = ask ? 1 : 0;
  (void)::setsockopt(socket, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
  (void)::setsockopt(socket, SOL_SOCKET, kPassPidfd, &on, sizeof(on));
}

Sender SenderOf(const msghdr& message) {
  Sender sender;
  auto& header = const_cast<msghdr&>(message);  // CMSG_NXTHDR wants it so
  for (cmsghdr* entry = CMSG_FIRSTHDR(&header); entry != nullptr;
       entry = CMSG_NXTHDR(&header, entry)) {
    if (entry->cmsg_level != SOL_SOCKET) continue;
    if (entry->cmsg_type == SCM_CREDENTIALS && entry->cmsg_len == CMSG_LEN(sizeof(ucred))) {
      std::memcpy(&sender.credentials.emplace(), CMSG_DATA(entry), sizeof(ucred));
    } else if (entry->cmsg_type == kScmPidfd && entry->cmsg_len == CMSG_LEN(sizeof(int))) {
      int pidfd = -1;
      std::memcpy(&pidfd, CMSG_DATA(entry), sizeof(pidfd));
      // Negative: the sender cannot be told.
      if (pidfd >= 0) sender.process.reset(pidfd);
    }
  }
  return sender;
}

void IdentifySender(const Sender& sender, Side side, PeerIdentity& peer) {
  if (!sender.credentials.has_value()) return;
  // A client connected a moment ago. If it has sent this itself, all that the socket has told of it
  // stands; to ask the process takes a tenth of all that a new connection does.
  if (side == Side::kServer && sender.credentials->uid == peer.uid &&
      sender.credentials->gid == peer.gid && sender.process) {
    const std::shared_ptr<const UniqueFd> connected = peer.pidfd.lock();
    if (connected != nullptr && AreOfOneProcess(sender.process.get(), connected->get())) return;
  }
  peer.uid = KnownUser(sender.credentials->uid);
  peer.gid = KnownGroup(sender.credentials->gid);
  peer.pid = KnownProcess(sender.credentials->pid);
  peer.groups.reset();
  peer.label.reset();
  // The socket tells these of who listened; the process tells of itself, while its number is its
  // own.
  if (!peer.pid.has_value() || !sender.process) return;
  std::optional<std::vector<gid_t>> groups = GroupsOfProcess(*peer.pid);
  std::optional<std::string> label;
  if (MayLabelProcesses()) {
    label = Label(ReadProc(absl::StrCat("/proc/", *peer.pid, "/attr/current")));
  }
  if (!Lives(sender.process.get())) return;
  peer.groups = std::move(groups);
  peer.label = std::move(label);
}

}  // namespace nigh

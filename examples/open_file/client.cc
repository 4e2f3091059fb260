// Asks the helper for files and prints what they hold. It need not be allowed to open them.
//
//   client ADDRESS NAME...

#include <unistd.h>

#include <array>
#include <iostream>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "examples/open_file/files.nigh.h"
#include "nigh/nigh.h"
#include "nigh/transport/unique_fd.h"

namespace {

absl::StatusOr<nigh::UniqueFd> Open(const open_file::Files::Stub& files, const char* name) {
  nigh::ClientContext context;
  context.set_timeout(absl::Seconds(30));
  context.set_wait_for_ready(true);
  open_file::OpenRequest request;
  request.set_name(name);
  open_file::OpenReply reply;
  const absl::Status status = files.Open(context, request, &reply);
  if (!status.ok()) return status;
  // A file: neither a pipe that never ends nor anything else.
  return context.Take(reply.file(), {nigh::FdKind::kFile});
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 3) {
    std::cerr << "usage: client ADDRESS NAME...\n";
    return 2;
  }
  const absl::StatusOr<std::shared_ptr<nigh::Channel>> channel = nigh::Dial(argv[1]);
  if (!channel.ok()) {
    std::cerr << channel.status() << "\n";
    return 2;
  }
  const open_file::Files::Stub files(*channel);
  int failed = 0;
  for (int i = 2; i < argc; ++i) {
    const absl::StatusOr<nigh::UniqueFd> file = Open(files, argv[i]);
    if (!file.ok()) {
      std::cerr << file.status() << "\n";
      failed = 1;
      continue;
    }
    std::array<char, 4096> text;
    for (ssize_t size; (size = ::read(file->get(), text.data(), text.size())) > 0;) {
      std::cout.write(text.data(), size);
    }
  }
  return failed;
}

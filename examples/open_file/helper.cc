// A helper that may read what its clients may not: it opens files of one folder and hands the
// descriptors over. It decides by name and by who asks, once; the client then reads at its own
// pace, and no byte of the file goes through a message.
//
//   helper ADDRESS FOLDER

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <iostream>
#include <string>
#include <system_error>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "examples/open_file/files.nigh.h"
#include "nigh/nigh.h"
#include "nigh/transport/unique_fd.h"

namespace {

class FilesImpl final : public open_file::Files::Service {
 public:
  explicit FilesImpl(nigh::UniqueFd folder) : folder_(std::move(folder)) {}

 private:
  absl::Status Open(nigh::ServerContext& context, const open_file::OpenRequest& request,
                    open_file::OpenReply* reply) override {
    // The kernel sees to it that no name and no link leads out of the folder.
    open_how how = {};
    how.flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS;
    nigh::UniqueFd file(static_cast<int>(
        ::syscall(SYS_openat2, folder_.get(), request.name().c_str(), &how, sizeof(how))));
    if (!file) {
      const int error = errno;
      const std::string why =
          absl::StrCat(request.name(), ": ", std::generic_category().message(error));
      return error == ENOENT ? absl::NotFoundError(why) : absl::PermissionDeniedError(why);
    }
    std::cout << "opened " << request.name() << " for user "
              << context.peer().uid.value_or(static_cast<uid_t>(-1)) << std::endl;
    *reply->mutable_file() = context.Attach(std::move(file));
    return absl::OkStatus();
  }

  const nigh::UniqueFd folder_;
};

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::cerr << "usage: helper ADDRESS FOLDER\n";
    return 2;
  }
  nigh::UniqueFd folder(::open(argv[2], O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!folder) {
    std::cerr << argv[2] << ": " << std::generic_category().message(errno) << "\n";
    return 1;
  }
  FilesImpl files(std::move(folder));
  // Who asks need not be the helper's user: the files are what is to be protected.
  nigh::Server server({.admit = {.users = {"*"}}});
  server.Register(files);
  absl::Status status = server.Listen(argv[1]);
  if (status.ok()) status = server.Run();
  if (!status.ok()) std::cerr << status << "\n";
  return status.ok() ? 0 : 1;
}

#include "tests/fds/vault.h"

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "nigh/fd.pb.h"
#include "nigh/message_extras.h"
#include "nigh/runtime/base/duplicate_fd.h"
#include "nigh/transport/unique_fd.h"

namespace nigh::testing {

UniqueFd FileOf(const std::string& text) {
  std::FILE* const made = std::tmpfile();
  EXPECT_NE(made, nullptr);
  UniqueFd file = DuplicateFd(::fileno(made));
  std::fclose(made);
  EXPECT_EQ(::pwrite(file.get(), text.data(), text.size(), 0), static_cast<ssize_t>(text.size()));
  return file;
}

std::string TextIn(const UniqueFd& file) {
  std::array<char, 4096> text;
  const ssize_t size = ::pread(file.get(), text.data(), text.size(), 0);
  return size < 0 ? "unreadable" : std::string(text.data(), static_cast<size_t>(size));
}

Parcel PackFiles(MessageExtras& context, const std::vector<std::string>& texts) {
  Parcel parcel;
  for (const std::string& text : texts) {
    *parcel.add_files()->mutable_file() = context.Attach(FileOf(text));
  }
  return parcel;
}

absl::StatusOr<std::vector<std::string>> UnpackFiles(MessageExtras& context, const Parcel& parcel) {
  std::vector<std::string> texts;
  for (const Wrapping& wrapping : parcel.files()) {
    const absl::StatusOr<UniqueFd> file = context.Take(wrapping.file());
    if (!file.ok()) return file.status();
    texts.push_back(TextIn(*file));
  }
  return texts;
}

std::vector<std::string> Answer(std::vector<std::string> texts) {
  for (std::string& text : texts) text = absl::StrCat("that of ", text);
  return texts;
}

absl::Status VaultService::Unary(ServerContext& context, const Parcel& request, Parcel* reply) {
  const absl::StatusOr<std::vector<std::string>> texts = UnpackFiles(context, request);
  if (!texts.ok()) return texts.status();
  *reply = PackFiles(context, Answer(*texts));
  reply->set_padding(request.padding());
  return absl::OkStatus();
}

absl::Status VaultService::Requests(ServerContext& context, ServerReader<Parcel>& requests,
                                    Parcel* reply) {
  std::vector<std::string> all;
  while (const std::optional<Parcel> request = requests.Read()) {
    const absl::StatusOr<std::vector<std::string>> texts = UnpackFiles(context, *request);
    if (!texts.ok()) return texts.status();
    all.insert(all.end(), texts->begin(), texts->end());
  }
  *reply = PackFiles(context, Answer(all));
  return absl::OkStatus();
}

absl::Status VaultService::Replies(ServerContext& context, const Parcel& request,
                                   ServerWriter<Parcel>& replies) {
  const absl::StatusOr<std::vector<std::string>> texts = UnpackFiles(context, request);
  if (!texts.ok()) return texts.status();
  for (const std::string& text : *texts) {
    if (!replies.Write(PackFiles(context, Answer({text})))) break;
  }
  return absl::OkStatus();
}

absl::Status VaultService::Both(ServerContext& context, ServerStream<Parcel, Parcel>& stream) {
  while (const std::optional<Parcel> request = stream.Read()) {
    const absl::StatusOr<std::vector<std::string>> texts = UnpackFiles(context, *request);
    if (!texts.ok()) return texts.status();
    Parcel reply = PackFiles(context, Answer(*texts));
    reply.set_padding(request->padding());
    if (!stream.Write(reply)) break;
  }
  return absl::OkStatus();
}

absl::Status VaultService::Plain(ServerContext&, const Note& request, Note* reply) {
  *reply = request;
  return absl::OkStatus();
}

absl::Status VaultService::Keep(ServerContext&, const Parcel&, Note*) {
  kept.Happen();
  release.Await();
  return absl::OkStatus();
}

}  // namespace nigh::testing

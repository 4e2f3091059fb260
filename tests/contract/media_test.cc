#include <stdlib.h>

#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/contract/subject.h"

namespace nigh::testing {
namespace {

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const Subject& medium : Media()) names.emplace_back(medium.name);
  return names;
}

// The arguments of a main(), which ends them with a null pointer.
struct Arguments {
  explicit Arguments(std::vector<std::string> words) : words(std::move(words)) {
    for (std::string& word : this->words) argv.push_back(word.data());
    argv.push_back(nullptr);
    argc = static_cast<int>(this->words.size());
  }

  std::vector<std::string> words;
  std::vector<char*> argv;
  int argc;
};

void Choose(Arguments arguments) { ChooseSubject(&arguments.argc, arguments.argv.data()); }

TEST(Media, AreThoseThatTheBuildFilesName) {
  const std::vector<std::string> named = absl::StrSplit(::getenv("MEDIA"), ' ');
  EXPECT_THAT(Names(), ::testing::UnorderedElementsAreArray(named));
}

TEST(Subject, IsTheOneThatIsNamed) {
  Arguments arguments({"program", "--call", "--medium=tcp", "more"});
  ChooseSubject(&arguments.argc, arguments.argv.data());
  EXPECT_STREQ(TheSubject().name, "tcp");
  EXPECT_EQ(SubjectArgument(), "--medium=tcp");
  ASSERT_EQ(arguments.argc, 3);
  EXPECT_STREQ(arguments.argv[1], "--call");
  EXPECT_STREQ(arguments.argv[2], "more");
  EXPECT_EQ(arguments.argv[3], nullptr);
}

TEST(Subject, AnUnknownNameIsAnErrorThatListsThoseThereAre) {
  EXPECT_EXIT(Choose(Arguments({"program", "--medium=pigeon"})), ::testing::ExitedWithCode(2),
              "--medium=pigeon: no such medium; the media are: inproc, .*shm_sysv_signal");
}

TEST(Subject, AMissingNameIsAnErrorThatListsThoseThereAre) {
  EXPECT_EXIT(Choose(Arguments({"program"})), ::testing::ExitedWithCode(2),
              "--medium=NAME is missing; the media are: inproc, .*shm_sysv_signal");
}

}  // namespace
}  // namespace nigh::testing

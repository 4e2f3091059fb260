// A camera hands frames to two viewers, each in a process of its own: from one buffer, which it has
// filled once and nobody copies; and then in messages, as bytes. Prints what either takes.
//
//   bazel run -c opt //examples/frames -- --frames=500

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/flags/flag.h"
#include "absl/flags/parse.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "examples/frames/frames.nigh.h"
#include "nigh/nigh.h"

ABSL_FLAG(int, frames, 200, "How many frames to show.");

namespace frames {
namespace {

// 1080p, three bytes a pixel.
constexpr int kWidth = 1920;
constexpr int kHeight = 1080;
constexpr size_t kFrameBytes = size_t{3} * kWidth * kHeight;
constexpr int kViewers = 2;
// One is filled while the viewers look at another, and one is on its way back.
constexpr int kBuffers = 3;

// Fills buffers in turn. The next frame comes when every viewer has been sent the last one.
class CameraService final : public Camera::Service {
 public:
  explicit CameraService(int64_t count) : count_(count) {
    for (int i = 0; i < kBuffers; ++i) {
      absl::StatusOr<nigh::SharedBuffer> buffer = nigh::SharedBuffer::Create(kFrameBytes);
      if (!buffer.ok()) Fail(buffer.status());
      buffers_.push_back(*std::move(buffer));
    }
  }

  // Shows all frames, once there are enough viewers.
  void Run() {
    for (int64_t number = 1; number <= count_; ++number) {
      const nigh::Attachment pixels = Grab(number);
      absl::MutexLock lock(&mutex_);
      mutex_.Await(absl::Condition(this, &CameraService::AllHaveIt));
      if (gave_up_) return;
      number_ = number;
      pixels_ = pixels;
      waiting_ = kViewers;
    }
    absl::MutexLock lock(&mutex_);
    mutex_.Await(absl::Condition(this, &CameraService::AllHaveIt));
    number_ = count_ + 1;
    pixels_ = nigh::Attachment();
  }

 private:
  [[noreturn]] static void Fail(const absl::Status& status) {
    std::cerr << status << "\n";
    std::exit(1);
  }

  absl::Status Watch(nigh::ServerContext& context, const WatchRequest& request,
                     nigh::ServerWriter<Frame>& frames) override {
    {
      absl::MutexLock lock(&mutex_);
      if (viewers_ == kViewers) return absl::ResourceExhaustedError("there are viewers enough");
      ++viewers_;
      --waiting_;
    }
    for (int64_t last = 0;;) {
      Frame frame;
      {
        absl::MutexLock lock(&mutex_);
        const auto has_next = [this, last] { return number_ > last || gave_up_; };
        mutex_.Await(absl::Condition(&has_next));
        if (number_ > count_ || gave_up_) return absl::OkStatus();
        frame.set_number(last = number_);
        if (request.in_message()) {
          frame.set_pixels(std::string(pixels_.text()));
        } else {
          context.SetAttachment(pixels_);
        }
      }
      frame.set_width(kWidth);
      frame.set_height(kHeight);
      const bool written = frames.Write(frame);
      absl::MutexLock lock(&mutex_);
      --waiting_;
      // A viewer that goes ends the show.
      gave_up_ = gave_up_ || !written;
      if (gave_up_) return absl::OkStatus();
    }
  }

  // Waits for a buffer that nobody looks at any more, and fills it. Nothing tells of one that has
  // become free: the viewers give it back by a store, so the camera looks now and then, as it would
  // at the time of its next frame.
  nigh::Attachment Grab(int64_t number) {
    for (;; absl::SleepFor(absl::Microseconds(20))) {
      for (nigh::SharedBuffer& buffer : buffers_) {
        if (!buffer.IsFree()) continue;
        std::memset(buffer.bytes().data(), static_cast<int>(number % 251), buffer.size());
        return buffer.Share();
      }
    }
  }

  bool AllHaveIt() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return waiting_ <= 0 || gave_up_; }

  const int64_t count_;
  std::vector<nigh::SharedBuffer> buffers_;
  absl::Mutex mutex_;
  int viewers_ ABSL_GUARDED_BY(mutex_) = 0;  // that have come
  bool gave_up_ ABSL_GUARDED_BY(mutex_) = false;
  // How many viewers have yet to come, or to be sent the frame.
  int waiting_ ABSL_GUARDED_BY(mutex_) = kViewers;
  int64_t number_ ABSL_GUARDED_BY(mutex_) = 0;  // of the frame that is shown
  nigh::Attachment pixels_ ABSL_GUARDED_BY(mutex_);
};

// Both kinds of frames fit; both sides share memory.
nigh::Limits Limits() { return {.max_message = size_t{16} << 20, .shares_memory = true}; }

int ShowFrames(const std::string& address, int count) {
  CameraService camera(count);
  nigh::Server server({.limits = Limits()});
  server.Register(camera);
  absl::Status status = server.Listen(address);
  if (status.ok()) status = server.Start();
  if (!status.ok()) {
    std::cerr << status << "\n";
    return 1;
  }
  camera.Run();
  server.Shutdown(absl::Seconds(10));
  return 0;
}

// Looks at every pixel.
bool IsFrame(absl::string_view pixels, int64_t number) {
  const char shade = static_cast<char>(number % 251);
  return pixels.size() == kFrameBytes && pixels.front() == shade &&
         std::memchr(pixels.data(), static_cast<char>(shade ^ 1), pixels.size()) == nullptr;
}

int LookAtFrames(const std::string& address, bool in_message, int count) {
  const auto channel = nigh::Dial(address, {.limits = Limits()});
  if (!channel.ok()) {
    std::cerr << channel.status() << "\n";
    return 1;
  }
  nigh::ClientContext context({.wait_for_ready = true});
  WatchRequest request;
  request.set_in_message(in_message);
  auto frames = Camera::Stub(*channel).Watch(context, request);
  int seen = 0;
  for (Frame frame; frames.Read(&frame); ++seen) {
    const absl::string_view pixels =
        in_message ? absl::string_view(frame.pixels()) : context.attachment().text();
    if (frame.number() == seen + 1 && IsFrame(pixels, frame.number())) continue;
    std::cerr << "frame " << frame.number() << " is not what was shown\n";
    return 1;
  }
  const absl::Status end = frames.Finish();
  if (end.ok() && seen == count) return 0;
  std::cerr << seen << " of " << count << " frames: " << end << "\n";
  return 1;
}

// Runs `run` in a process of its own.
template <class Run>
pid_t Start(Run run) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(run());
  return child;
}

// Returns the CPU time that it has taken, in milliseconds. Negative: it has failed.
double Await(pid_t child) {
  int status = 0;
  rusage usage = {};
  if (::wait4(child, &status, 0, &usage) != child || status != 0) return -1;
  const auto millis = [](const timeval& time) { return time.tv_sec * 1e3 + time.tv_usec / 1e3; };
  return millis(usage.ru_utime) + millis(usage.ru_stime);
}

bool Compare(bool in_message, int count) {
  const std::string address = absl::StrCat("local:frames-", ::getpid());
  const auto start = std::chrono::steady_clock::now();
  const pid_t camera = Start([&] { return ShowFrames(address, count); });
  std::vector<pid_t> viewers;
  for (int i = 0; i < kViewers; ++i) {
    viewers.push_back(Start([&] { return LookAtFrames(address, in_message, count); }));
  }
  bool good = true;
  double viewing = 0;
  for (const pid_t viewer : viewers) {
    const double took = Await(viewer);
    good = good && took >= 0;
    viewing += took;
  }
  const double showing = Await(camera);
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  if (!good || showing < 0) return false;
  std::cout << absl::StreamFormat(
      "%-22s %9.0f %18.2f %18.2f\n", in_message ? "in messages, as bytes" : "in a shared buffer",
      count / took.count(), showing / count, viewing / kViewers / count);
  return true;
}

}  // namespace
}  // namespace frames

int main(int argc, char** argv) {
  absl::ParseCommandLine(argc, argv);
  const int count = absl::GetFlag(FLAGS_frames);
  std::cout << count << " frames of " << frames::kFrameBytes << " bytes, to " << frames::kViewers
            << " viewers\n"
            << absl::StreamFormat("%-22s %9s %18s %18s\n", "", "frames/s", "camera's ms/frame",
                                  "a viewer's");
  std::cout.flush();
  for (const bool in_message : {false, true}) {
    if (!frames::Compare(in_message, count)) return 1;
    std::cout.flush();
  }
  return 0;
}

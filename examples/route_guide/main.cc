// The four kinds of method from the client's side, with the server in the same program: the address
// says where it is served and called.
//
//   bazel run //examples/route_guide -- local:route_guide

#include <iostream>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "examples/route_guide/route_guide.h"
#include "nigh/channel.h"
#include "nigh/server.h"

namespace {

using routeguide::Area;
using routeguide::Landmark;
using routeguide::Note;
using routeguide::Point;
using routeguide::RouteGuide;
using routeguide::WalkSummary;

Point MakePoint(int latitude, int longitude) {
  Point point;
  point.set_latitude(latitude);
  point.set_longitude(longitude);
  return point;
}

Landmark MakeLandmark(const std::string& name, const Point& location) {
  Landmark landmark;
  landmark.set_name(name);
  *landmark.mutable_location() = location;
  return landmark;
}

Note MakeNote(const std::string& text, const Point& location) {
  Note note;
  note.set_text(text);
  *note.mutable_location() = location;
  return note;
}

const Point kMill = MakePoint(520'000'000, 45'000'000);
const Point kBridge = MakePoint(520'010'000, 45'010'000);
const Point kOak = MakePoint(530'000'000, 55'000'000);

absl::Status GetLandmark(const RouteGuide::Stub& guide) {
  absl::StatusOr<Landmark> landmark = guide.GetLandmark(kMill);
  if (!landmark.ok()) return landmark.status();
  std::cout << "at the point: " << landmark->name() << "\n";
  return absl::OkStatus();
}

absl::Status ListLandmarks(const RouteGuide::Stub& guide) {
  Area area;
  *area.mutable_corner() = MakePoint(519'000'000, 44'000'000);
  *area.mutable_opposite() = MakePoint(521'000'000, 46'000'000);
  auto landmarks = guide.ListLandmarks(area);
  while (std::optional<Landmark> landmark = landmarks.Read()) {
    std::cout << "in the area: " << landmark->name() << "\n";
  }
  return landmarks.Finish();
}

absl::Status RecordWalk(const RouteGuide::Stub& guide) {
  auto walk = guide.RecordWalk();
  for (const Point& point : {kMill, kBridge, kOak}) {
    if (!walk.Write(point)) break;  // Finish tells why
  }
  absl::StatusOr<WalkSummary> summary = walk.Finish();
  if (!summary.ok()) return summary.status();
  std::cout << "walked past " << summary->landmarks() << " of " << summary->points() << " points, "
            << static_cast<int>(summary->metres() / 1000) << " km\n";
  return absl::OkStatus();
}

absl::Status ShareNotes(const RouteGuide::Stub& guide) {
  auto notes = guide.ShareNotes();
  notes.Write(MakeNote("fresh bread", kMill));
  notes.Write(MakeNote("closed on Mondays", kMill));
  notes.WritesDone();
  while (std::optional<Note> note = notes.Read()) {
    std::cout << "somebody wrote: " << note->text() << "\n";
  }
  return notes.Finish();
}

absl::Status Run(const std::string& address) {
  RouteGuideImpl service({MakeLandmark("the mill", kMill), MakeLandmark("the bridge", kBridge),
                          MakeLandmark("the oak", kOak)});
  nigh::Server server;
  server.Register(service);
  if (absl::Status status = server.Listen(address); !status.ok()) return status;
  if (absl::Status status = server.Start(); !status.ok()) return status;

  auto channel = nigh::Dial(address);
  if (!channel.ok()) return channel.status();
  const RouteGuide::Stub guide(*channel);
  for (auto* part : {GetLandmark, ListLandmarks, RecordWalk, ShareNotes}) {
    if (absl::Status status = part(guide); !status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  const absl::Status status = Run(argc > 1 ? argv[1] : "inproc:route_guide");
  if (status.ok()) return 0;
  std::cerr << status << "\n";
  return 1;
}

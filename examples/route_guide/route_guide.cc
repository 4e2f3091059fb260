#include "examples/route_guide/route_guide.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <numbers>
#include <optional>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

using routeguide::Area;
using routeguide::Landmark;
using routeguide::Note;
using routeguide::Point;
using routeguide::WalkSummary;

namespace {

constexpr double kEarthRadiusMetres = 6'371'000;
constexpr double kUnitRadians = std::numbers::pi / 180 / 1e7;

bool Same(const Point& a, const Point& b) {
  return a.latitude() == b.latitude() && a.longitude() == b.longitude();
}

bool Contains(const Area& area, const Point& point) {
  const auto between = [](int value, int one, int other) {
    return std::min(one, other) <= value && value <= std::max(one, other);
  };
  return between(point.latitude(), area.corner().latitude(), area.opposite().latitude()) &&
         between(point.longitude(), area.corner().longitude(), area.opposite().longitude());
}

// Along a great circle, by the haversine formula.
double Metres(const Point& a, const Point& b) {
  const double latitude = (b.latitude() - a.latitude()) * kUnitRadians;
  const double longitude = (b.longitude() - a.longitude()) * kUnitRadians;
  const double h = std::pow(std::sin(latitude / 2), 2) + std::cos(a.latitude() * kUnitRadians) *
                                                             std::cos(b.latitude() * kUnitRadians) *
                                                             std::pow(std::sin(longitude / 2), 2);
  return 2 * kEarthRadiusMetres * std::asin(std::sqrt(h));
}

}  // namespace

const Landmark* RouteGuideImpl::Find(const Point& point) const {
  const auto found = std::find_if(landmarks_.begin(), landmarks_.end(),
                                  [&](const Landmark& l) { return Same(l.location(), point); });
  return found == landmarks_.end() ? nullptr : &*found;
}

absl::Status RouteGuideImpl::GetLandmark(nigh::ServerContext&, const Point& point,
                                         Landmark* landmark) {
  if (const Landmark* known = Find(point)) {
    *landmark = *known;
  } else {
    *landmark->mutable_location() = point;
  }
  return absl::OkStatus();
}

absl::Status RouteGuideImpl::ListLandmarks(nigh::ServerContext&, const Area& area,
                                           nigh::ServerWriter<Landmark>& landmarks) {
  for (const Landmark& landmark : landmarks_) {
    if (Contains(area, landmark.location()) && !landmarks.Write(landmark)) break;
  }
  return absl::OkStatus();
}

absl::Status RouteGuideImpl::RecordWalk(nigh::ServerContext&, nigh::ServerReader<Point>& points,
                                        WalkSummary* summary) {
  const absl::Time begin = absl::Now();
  std::optional<Point> previous;
  while (std::optional<Point> point = points.Read()) {
    summary->set_points(summary->points() + 1);
    if (Find(*point) != nullptr) summary->set_landmarks(summary->landmarks() + 1);
    if (previous.has_value()) {
      summary->set_metres(summary->metres() + Metres(*previous, *point));
    }
    previous = point;
  }
  summary->set_seconds(absl::ToDoubleSeconds(absl::Now() - begin));
  return absl::OkStatus();
}

absl::Status RouteGuideImpl::ShareNotes(nigh::ServerContext&,
                                        nigh::ServerStream<Note, Note>& notes) {
  while (std::optional<Note> note = notes.Read()) {
    std::vector<Note> others;
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      std::copy_if(notes_.begin(), notes_.end(), std::back_inserter(others),
                   [&](const Note& n) { return Same(n.location(), note->location()); });
      notes_.push_back(*note);
    }
    for (const Note& other : others) {
      if (!notes.Write(other)) return absl::OkStatus();
    }
  }
  return absl::OkStatus();
}

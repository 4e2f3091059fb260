#ifndef NIGH_EXAMPLES_ROUTE_GUIDE_ROUTE_GUIDE_H_
#define NIGH_EXAMPLES_ROUTE_GUIDE_ROUTE_GUIDE_H_

#include <mutex>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "examples/route_guide/route_guide.nigh.h"

// The four kinds of method from the server's side.
class RouteGuideImpl final : public routeguide::RouteGuide::Service {
 public:
  explicit RouteGuideImpl(std::vector<routeguide::Landmark> landmarks)
      : landmarks_(std::move(landmarks)) {}

  absl::Status GetLandmark(nigh::ServerContext& context, const routeguide::Point& point,
                           routeguide::Landmark* landmark) override;
  absl::Status ListLandmarks(nigh::ServerContext& context, const routeguide::Area& area,
                             nigh::ServerWriter<routeguide::Landmark>& landmarks) override;
  absl::Status RecordWalk(nigh::ServerContext& context,
                          nigh::ServerReader<routeguide::Point>& points,
                          routeguide::WalkSummary* summary) override;
  absl::Status ShareNotes(nigh::ServerContext& context,
                          nigh::ServerStream<routeguide::Note, routeguide::Note>& notes) override;

 private:
  const routeguide::Landmark* Find(const routeguide::Point& point) const;

  const std::vector<routeguide::Landmark> landmarks_;
  std::mutex mutex_;                     // handlers run on many threads at once
  std::vector<routeguide::Note> notes_;  // guarded by mutex_
};

#endif  // NIGH_EXAMPLES_ROUTE_GUIDE_ROUTE_GUIDE_H_

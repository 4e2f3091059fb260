#include "tests/conformance/actor.h"

#include <cstddef>
#include <memory>
#include <stdexcept>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "nigh/message_extras.h"
#include "tests/conformance/script.h"

namespace nigh::testing {
namespace {

constexpr char kDetailUrl[] = "type.googleapis.com/google.rpc.Status";

absl::Status MakeStatus(const End& end) {
  absl::Status status(static_cast<absl::StatusCode>(end.code()), end.message());
  if (!end.detail().empty()) status.SetPayload(kDetailUrl, absl::Cord(end.detail()));
  return status;
}

}  // namespace

absl::Status Actor::Perform(const Script& script) {
  absl::Status end;
  for (const Step& step : script.steps()) {
    if (!Do(step, end)) break;
  }
  return end;
}

bool Actor::Do(const Step& step, absl::Status& end) {
  switch (step.step_case()) {
    case Step::kRaise:
      stage_.board.Raise(step.raise().name());
      return true;
    case Step::kAwait:
      if (stage_.board.Await(step.await().name())) return true;
      end = absl::UnknownError(absl::StrCat("nobody raised ", step.await().name()));
      return false;
    case Step::kAwaitCancel:
      AwaitCancel();
      return true;
    case Step::kRead:
      for (int i = 0; i < step.read(); ++i) {
        if (Read()) continue;
        end = absl::FailedPreconditionError(absl::StrCat("there is no request ", i));
        return false;
      }
      return true;
    case Step::kReadAll:
      while (Read()) {
      }
      return true;
    case Step::kWrite: {
      Blob blob;
      blob.set_body(std::string(static_cast<size_t>(step.write().size()), 'w'));
      for (int i = 0; i < step.write().count() && !report_.write_failed(); ++i) Write(blob);
      return true;
    }
    case Step::kEcho:
      while (Read() && !report_.write_failed()) {
        stage_.context.SetAttachment(stage_.context.attachment());
        Write(last_);
      }
      return true;
    case Step::kInitial:
      stage_.context.AddInitialMetadata(step.initial().key(), step.initial().value());
      return true;
    case Step::kTrailing:
      stage_.context.AddTrailingMetadata(step.trailing().key(), step.trailing().value());
      return true;
    case Step::kSendInitial:
      stage_.send_initial();
      return true;
    case Step::kReply:
      stage_.reply->set_body(std::string(static_cast<size_t>(step.reply()), 'r'));
      return true;
    case Step::kReport:
      Report();
      return true;
    case Step::kThrow:
      if (step.throw_().empty()) throw 42;
      throw std::runtime_error(step.throw_());
    case Step::kNested: {
      Blob ignored;
      end = stage_.nested(step.nested(), stage_.reply != nullptr ? stage_.reply : &ignored);
      return end.ok();
    }
    case Step::kEnd:
      end = MakeStatus(step.end());
      return false;
    case Step::kTryCancel:
      stage_.context.TryCancel();
      return true;
    case Step::kAttach:
      stage_.context.SetAttachment(AttachmentOf(static_cast<size_t>(step.attach())));
      return true;
    case Step::STEP_NOT_SET:
      break;
  }
  end = absl::InternalError("an unknown step in the script");
  return false;
}

bool Actor::Read() {
  if (!stage_.read(&last_)) return false;
  report_.set_requests(report_.requests() + 1);
  report_.set_request_bytes(report_.request_bytes() + static_cast<int64_t>(last_.body().size()));
  const Attachment& attachment = stage_.context.attachment();
  report_.set_attachment_bytes(report_.attachment_bytes() +
                               static_cast<int64_t>(attachment.size()));
  return true;
}

void Actor::Write(const Blob& blob) {
  if (!stage_.write(blob)) report_.set_write_failed(true);
}

void Actor::AwaitCancel() {
  // Shared, for the callback may run until this handler has returned.
  const auto cancelled = std::make_shared<Board>();
  stage_.context.SetCancelCallback([cancelled] { cancelled->Raise("cancelled"); });
  cancelled->Await("cancelled");
}

void Actor::Report() {
  const ServerContext& context = stage_.context;
  report_.set_has_deadline(!context.deadline().is_infinite());
  if (report_.has_deadline()) report_.set_nanos_left(context.deadline().RemainingNanos());
  report_.set_cancelled(context.IsCancelled());
  for (const auto& [key, value] : context.client_metadata()) {
    Entry& entry = *report_.add_metadata();
    entry.set_key(key);
    entry.set_value(value);
  }
  report_.set_method(std::string(context.method()));
  report_.set_peer_address(context.peer().address);
  report_.set_peer_pid(context.peer().pid.value_or(0));
  Blob blob;
  blob.set_body(report_.SerializeAsString());
  if (stage_.reply != nullptr) {
    *stage_.reply = blob;
  } else {
    Write(blob);
  }
}

}  // namespace nigh::testing

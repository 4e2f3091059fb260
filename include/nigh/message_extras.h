#ifndef NIGH_MESSAGE_EXTRAS_H_
#define NIGH_MESSAGE_EXTRAS_H_

#include <cstddef>
#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/attachment.h"
#include "nigh/fd.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

struct Extras;
class Fd;  // nigh/fd.pb.h, of nigh/fd.proto

// What goes with the messages of a call besides their bytes: an attachment, descriptors. A context
// has those of the message that is sent next, and of the one that was received last.
//
// An attachment goes with any message, over every medium, and is as long as the receiver accepts
// (Limits::max_attachment; longer: RESOURCE_EXHAUSTED). To send one and to receive one:
//
//   context.SetAttachment(nigh::Attachment::Copy(pixels));
//   stub.Detect(context, request, &reply);
//   Draw(context.attachment().bytes());
//
// It costs the credit of a stream and the memory of a connection as the bytes of a message do.
// Interceptors see its size (MessageView::attachment).
//
// Of descriptors, a message holds numbers (nigh.Fd); copies of it own nothing. To send one:
//
//   *request.mutable_log() = context.Attach(std::move(file));
//   stub.Open(context, request, &reply);
//
// and to receive one:
//
//   absl::StatusOr<nigh::UniqueFd> file = context.Take(reply.file());
//
// A method sends and takes descriptors only in messages whose type has a nigh.Fd. The medium has to
// carry them (docs/transports.md), else the call fails with UNIMPLEMENTED before anything of it is
// sent. Interceptors see the numbers alone. Who passes messages on as bytes (GenericStub,
// GenericService) asks for descriptors when it is made, and passes on those that there are, in
// order.
//
// Of the threads of a stream, the one that writes attaches, and the one that reads takes.
class MessageExtras {
 public:
  // Has `attachment` travel with the message of this call that is sent next: a request, a reply. A
  // request's is kept until the call is over, as one that is made again needs it still. Replaces
  // what was set before; an empty one is none.
  void SetAttachment(Attachment attachment);
  // What has come with the message of this call that was received last: the request; what Read has
  // returned; the reply, once the call is over. Empty: nothing. The reference is valid until the
  // next message is received, or the end of the call or of the context; a copy keeps the bytes.
  const Attachment& attachment() const;

  // Has `fd` travel with the message of this call that is sent next: a request, a reply. It is
  // closed when the message has left; a request's when anything of the reply has come, or the call
  // is over, as one that is made again needs it still. A copy by dup(2) outlives that. A message
  // with none for `fd`, or with an io_uring, which Linux passes to nobody, is not sent
  // (INVALID_ARGUMENT).
  Fd Attach(UniqueFd fd);

  // How many have come with the message of this call that was received last: their numbers are 1 to
  // that.
  size_t received_fds() const;

  // Takes a descriptor out of the message of this call that was received last: the request; what
  // Read has returned; the reply, once the call is over. What is not taken is closed when the next
  // one is received, or with the call or the context.
  //
  // It is of one of `kinds`, and closed on exec. Looking may wait for the file's server, if that is
  // another process (FUSE). INVALID_ARGUMENT: the message has none of that number, or it is of
  // another kind. FAILED_PRECONDITION: it has been taken.
  absl::StatusOr<UniqueFd> Take(const Fd& fd, FdKinds kinds = kUsualFds);

 protected:
  MessageExtras() = default;
  ~MessageExtras() = default;

 private:
  friend class CallExtras;

  std::shared_ptr<Extras> attached_;
  std::shared_ptr<Extras> received_;
};

}  // namespace nigh

#endif  // NIGH_MESSAGE_EXTRAS_H_

#ifndef NIGH_MESSAGE_EXTRAS_H_
#define NIGH_MESSAGE_EXTRAS_H_

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "nigh/api.h"
#include "nigh/transport/bytes.h"
#include "nigh/transport/unique_fd.h"

namespace nigh {

struct Extras;
class SharedMemory;
class Fd;  // nigh/fd.pb.h, of nigh/fd.proto

// Memory for an attachment, to be filled and then sent: Channel::AllocateAttachment and
// ServerContext::AllocateAttachment give it where it can be sent from without a copy. It stays
// for as long as there is a handle to it, whatever becomes of the channel.
//
//   absl::StatusOr<nigh::AttachmentBuffer> pixels = channel->AllocateAttachment(size);
//   if (!pixels.ok()) return pixels.status();
//   camera.Grab(pixels->bytes());
//   context.SetAttachment(*std::move(pixels));
class NIGH_API AttachmentBuffer {
 public:
  // Plain memory of this process, of so many bytes, which are not set.
  explicit AttachmentBuffer(size_t size);
  // `owner` keeps `bytes`.
  AttachmentBuffer(ByteSpan bytes, std::shared_ptr<const void> owner)
      : bytes_(bytes), owner_(std::move(owner)) {}
  AttachmentBuffer(AttachmentBuffer&& other) noexcept
      : bytes_(std::exchange(other.bytes_, {})), owner_(std::move(other.owner_)) {}
  AttachmentBuffer& operator=(AttachmentBuffer&& other) noexcept {
    bytes_ = std::exchange(other.bytes_, {});
    owner_ = std::move(other.owner_);
    return *this;
  }

  ByteSpan bytes() const { return bytes_; }
  size_t size() const { return bytes_.size(); }

 private:
  friend class Attachment;

  ByteSpan bytes_;
  std::shared_ptr<const void> owner_;
};

// Bytes that travel beside a message, which protobuf never sees: a frame of a camera, a file, a
// tensor. They do not change. A copy is another handle to the same bytes, which stay for as long as
// there is one, whatever becomes of the call, the context and the channel. An attachment that has
// been received can be sent on as it is.
//
// What has been received may lie in memory that both sides share, if both are the same user's
// (shm:). Its sender could change it still, if it means harm: copy what is checked and then used.
// And it keeps all of that memory when the connection has ended: copy what is to stay for long.
//
// The idea is that of Apache brpc's attachments.
//
// Different handles to the same bytes may be used by different threads.
class NIGH_API Attachment {
 public:
  // None.
  Attachment() = default;
  Attachment(const Attachment&) = default;
  Attachment& operator=(const Attachment&) = default;
  Attachment(Attachment&& other) noexcept
      : bytes_(std::exchange(other.bytes_, {})),
        owner_(std::move(other.owner_)),
        shared_(std::exchange(other.shared_, nullptr)) {}
  Attachment& operator=(Attachment&& other) noexcept {
    bytes_ = std::exchange(other.bytes_, {});
    owner_ = std::move(other.owner_);
    shared_ = std::exchange(other.shared_, nullptr);
    return *this;
  }
  // `owner` keeps `bytes`, which must not change any more. It may be destroyed in any thread, while
  // nigh has locks: its destructor must not call nigh, nor wait for who does.
  Attachment(ConstByteSpan bytes, std::shared_ptr<const void> owner)
      : bytes_(bytes), owner_(std::move(owner)) {}
  // A copy of `bytes`.
  static Attachment Copy(ConstByteSpan bytes);
  static Attachment Copy(absl::string_view text) { return Copy(AsBytes(text)); }

  // What the buffer has been filled with.
  Attachment(AttachmentBuffer buffer)  // NOLINT(google-explicit-constructor): it becomes one
      : bytes_(buffer.bytes_), owner_(std::move(buffer.owner_)) {}

  ConstByteSpan bytes() const { return bytes_; }
  absl::string_view text() const { return AsText(bytes_); }
  size_t size() const { return bytes_.size(); }
  bool empty() const { return bytes_.empty(); }

  // For the runtime: the SharedBuffer that it is of; null: none.
  SharedMemory* shared_memory() const { return shared_; }

 private:
  friend class SharedBuffer;

  ConstByteSpan bytes_;
  std::shared_ptr<const void> owner_;
  SharedMemory* shared_ = nullptr;
};

// Memory that is filled once and read by many: it goes to each connection by its descriptor, once,
// and its bytes are not copied, but for parts of less than 16 KiB, and where a connection knows 63
// others that are in use. A receiver has it mapped until its number is needed for another. Both
// ends of a connection have to say that they share memory (Limits::shares_memory), and the medium
// has to carry descriptors; else what is shared is copied, as any attachment is. So it is for a
// receiver of another user, who gets a copy that cannot change.
//
//   auto frame = nigh::SharedBuffer::Create(kFrameSize);
//   for (;;) {
//     if (!frame->IsFree()) frame = ...  // another one of a few
//     camera.Grab(frame->bytes());
//     for (Viewer& viewer : viewers) viewer.Show(frame->Share());
//   }
//
// One thread fills it and asks whether it is free; any may have its attachments.
class NIGH_API SharedBuffer {
 public:
  // `size` bytes of zeroes. RESOURCE_EXHAUSTED: the system has none; the message says which limit.
  static absl::StatusOr<SharedBuffer> Create(size_t size);

  // To be written while it is free: a receiver that still reads sees what is written.
  ByteSpan bytes() const { return bytes_; }
  size_t size() const { return bytes_.size(); }
  // Its first `size` bytes, or all, for as many messages as there are to be.
  Attachment Share(size_t size) const;
  Attachment Share() const { return Share(bytes_.size()); }
  // Whether no attachment of it is left, neither here nor at a receiver to whom there is still the
  // connection: who keeps one beyond that sees what is written next. Takes a lock, and a load for
  // each connection that it has gone to.
  bool IsFree() const;

 private:
  SharedBuffer(ByteSpan bytes, std::shared_ptr<SharedMemory> memory)
      : bytes_(bytes), memory_(std::move(memory)) {}

  ByteSpan bytes_;
  std::shared_ptr<SharedMemory> memory_;
};

// What a descriptor can stand for.
enum class FdKind : uint32_t {
  kFile = 1,             // a regular file
  kPipe = 2,             // or a FIFO
  kSocket = 4,           // of any family
  kMemory = 8,           // memfd_create(2), sealed against shrinking (F_SEAL_SHRINK): safe to map
  kUnsealedMemory = 16,  // memfd_create(2): whoever maps it may get SIGBUS
  kDirectory = 32,
  kDevice = 64,
  kOther = 128,  // what has no place in a file system: eventfd, epoll, a process; O_PATH
};

// Several of them.
class FdKinds {
 public:
  constexpr FdKinds(std::initializer_list<FdKind> kinds) {
    for (const FdKind kind : kinds) bits_ |= static_cast<uint32_t>(kind);
  }
  constexpr bool Has(FdKind kind) const { return (bits_ & static_cast<uint32_t>(kind)) != 0; }

 private:
  uint32_t bits_ = 0;
};

// What is taken unless other kinds are named: what can do its owner no harm.
inline constexpr FdKinds kUsualFds = {FdKind::kFile, FdKind::kPipe, FdKind::kSocket,
                                      FdKind::kMemory};

inline constexpr FdKinds kAllFds = {FdKind::kFile,   FdKind::kPipe,           FdKind::kSocket,
                                    FdKind::kMemory, FdKind::kUnsealedMemory, FdKind::kDirectory,
                                    FdKind::kDevice, FdKind::kOther};

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
class NIGH_API MessageExtras {
 public:
  // Has `attachment` travel with the message of this call that is sent next: a request, a reply. A
  // request's is kept until the call is over, as one that is made again needs it still. Replaces
  // what was set before; an empty one is none.
  void SetAttachment(Attachment attachment);
  // What has come with the message of this call that was received last: the request; what Read has
  // returned; the reply, once the call is over. Empty: nothing. The reference is valid until the
  // next Read begins, or the end of the call or of the context; a copy keeps the bytes.
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
  // Read begins, or with the call or the context.
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

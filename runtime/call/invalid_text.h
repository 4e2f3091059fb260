#ifndef NIGH_RUNTIME_CALL_INVALID_TEXT_H_
#define NIGH_RUNTIME_CALL_INVALID_TEXT_H_

#include <string>

#include "google/protobuf/message_lite.h"
#include "nigh/transport/bytes.h"

namespace nigh {

// Which string keeps `bytes` from being a message like `message`, because it is not UTF-8, as an
// error says it: "the string lab.Item.label (at items[3].label) is not UTF-8 ...". Empty: none
// does, or the message is a lite one, which knows no names. It reads all of `bytes`, for messages
// that could not be parsed.
std::string DescribeInvalidText(const google::protobuf::MessageLite& message, ConstByteSpan bytes);

}  // namespace nigh

#endif  // NIGH_RUNTIME_CALL_INVALID_TEXT_H_

#include "nigh/runtime/call/invalid_text.h"

#include <cstdint>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/message.h"
#include "google/protobuf/stubs/common.h"
#include "google/protobuf/wire_format_lite.h"
#include "nigh/transport/bytes.h"

namespace nigh {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::FileDescriptor;
using google::protobuf::Message;
using google::protobuf::MessageLite;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

// Whether protobuf refuses other bytes than UTF-8 there.
bool IsText(const FieldDescriptor& field) {
  return field.type() == FieldDescriptor::TYPE_STRING &&
         field.file()->syntax() == FileDescriptor::SYNTAX_PROTO3;
}

// Goes through a message as it lies on the wire. What the parser has made of it would not do: it
// drops the entry of a map that it cannot parse.
class Search {
 public:
  explicit Search(CodedInputStream& in) : in_(in) {}

  // Returns the first string of a message of `type` that is not UTF-8, or null. Puts the way that
  // leads to it before `path`, which is put together only then: it may be long, and the fields
  // many. Ends where the message does, or cannot be read further.
  const FieldDescriptor* Find(const Descriptor& type, std::string& path) {
    absl::flat_hash_map<int, int> repeated;  // how many there have been of each field
    while (const uint32_t tag = in_.ReadTag()) {
      const WireFormatLite::WireType wire_type = WireFormatLite::GetTagWireType(tag);
      if (wire_type == WireFormatLite::WIRETYPE_END_GROUP) return nullptr;
      const FieldDescriptor* const field = FieldOf(type, WireFormatLite::GetTagFieldNumber(tag));
      if (field == nullptr || !MayHoldText(*field, wire_type)) {
        if (!WireFormatLite::SkipField(&in_, tag)) return nullptr;
        continue;
      }
      const int index = field->is_repeated() ? repeated[field->number()]++ : 0;
      bool whole = true;
      const FieldDescriptor* const found = Enter(*field, path, whole);
      if (found != nullptr) {
        path =
            absl::StrCat(NameOf(*field), field->is_repeated() ? absl::StrCat("[", index, "]") : "",
                         path.empty() ? "" : ".", path);
      }
      if (found != nullptr || !whole) return found;
    }
    return nullptr;
  }

 private:
  static const FieldDescriptor* FieldOf(const Descriptor& type, int number) {
    const FieldDescriptor* const field = type.FindFieldByNumber(number);
    if (field != nullptr || !type.IsExtensionNumber(number)) return field;
    return type.file()->pool()->FindExtensionByNumber(&type, number);
  }

  static std::string NameOf(const FieldDescriptor& field) {
    return field.is_extension() ? absl::StrCat("(", field.full_name(), ")") : field.name();
  }

  static bool MayHoldText(const FieldDescriptor& field, WireFormatLite::WireType wire_type) {
    const auto type = static_cast<WireFormatLite::FieldType>(field.type());
    return wire_type == WireFormatLite::WireTypeForFieldType(type) &&
           (field.message_type() != nullptr || IsText(field));
  }

  // Reads a string or message. `whole`: it ended where it should.
  const FieldDescriptor* Enter(const FieldDescriptor& field, std::string& path, bool& whole) {
    if (IsText(field)) {
      std::string text;
      whole = WireFormatLite::ReadString(&in_, &text);
      const bool valid = !whole || google::protobuf::internal::IsStructurallyValidUTF8(
                                       text.data(), static_cast<int>(text.size()));
      return valid ? nullptr : &field;
    }
    const bool group = field.type() == FieldDescriptor::TYPE_GROUP;
    int size = 0;
    whole = (group || in_.ReadVarintSizeAsInt(&size)) && in_.IncrementRecursionDepth();
    if (!whole) return nullptr;
    const CodedInputStream::Limit outer = group ? 0 : in_.PushLimit(size);
    const FieldDescriptor* const found = Find(*field.message_type(), path);
    whole = group ? in_.LastTagWas(
                        WireFormatLite::MakeTag(field.number(), WireFormatLite::WIRETYPE_END_GROUP))
                  : in_.ConsumedEntireMessage();
    if (!group) in_.PopLimit(outer);
    in_.DecrementRecursionDepth();
    return found;
  }

  CodedInputStream& in_;
};

}  // namespace

std::string DescribeInvalidText(const MessageLite& message, ConstByteSpan bytes) {
  const auto* const full = dynamic_cast<const Message*>(&message);
  if (full == nullptr) return "";
  CodedInputStream in(reinterpret_cast<const uint8_t*>(bytes.data()),
                      static_cast<int>(bytes.size()));
  std::string path;
  const FieldDescriptor* const field = Search(in).Find(*full->GetDescriptor(), path);
  if (field == nullptr) return "";
  const bool nested = path != field->name();
  return absl::StrCat("the string ", field->full_name(),
                      nested ? absl::StrCat(" (at ", path, ")") : "",
                      " is not UTF-8 (other bytes go into a field of type bytes)");
}

}  // namespace nigh

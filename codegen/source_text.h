#ifndef NIGH_CODEGEN_SOURCE_TEXT_H_
#define NIGH_CODEGEN_SOURCE_TEXT_H_

#include <cstddef>
#include <string>
#include <vector>

namespace nigh::codegen {

// head(item, item)tail, or with another pair of brackets.
struct Listing {
  std::string head;
  std::vector<std::string> items;
  std::string tail;
  std::string brackets = "()";
};

// Text that is no list.
inline Listing Plain(const std::string& text) { return {text, {}, "", ""}; }

// C++ text as clang-format (Google style, 100 columns) leaves it, so that generated code reads like
// written code wherever it is reviewed. Names of 60 characters and more get what space they need.
class SourceText {
 public:
  // A line at the present indentation; "" is an empty one.
  void Line(const std::string& line = "");
  void Indent(int columns) { indent_ += columns; }
  void Outdent(int columns) { indent_ -= columns; }

  // Whether Line(line) would stay within 100 columns.
  bool Fits(const std::string& line) const { return indent_ + line.size() <= kColumns; }

  // The paragraphs of a comment, each line behind "//". Long lines are broken between words.
  void Comment(const std::string& text);

  // `listing` on as few lines as hold it.
  void List(const Listing& listing);

  // `name = value;`, broken behind the "=" where it does not fit on a line.
  void Assignment(const std::string& name, const std::string& value);

  // type name(parameters)tail { body }, on one line where that fits. `declaration.head` is the
  // name.
  void Function(const Listing& type, const Listing& declaration, const std::vector<Listing>& body);

  const std::string& text() const { return text_; }

 private:
  static constexpr size_t kColumns = 100;

  int indent_ = 0;
  std::string text_;
};

}  // namespace nigh::codegen

#endif  // NIGH_CODEGEN_SOURCE_TEXT_H_

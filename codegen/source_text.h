#ifndef NIGH_CODEGEN_SOURCE_TEXT_H_
#define NIGH_CODEGEN_SOURCE_TEXT_H_

#include <string>
#include <vector>

namespace nigh::codegen {

// C++ text as clang-format (Google style, 100 columns) leaves it, so that generated code reads like
// written code wherever it is reviewed.
class SourceText {
 public:
  // A line at the present indentation; "" is an empty one.
  void Line(const std::string& line = "");
  void Indent(int columns) { indent_ += columns; }
  void Outdent(int columns) { indent_ -= columns; }

  // The paragraphs of a comment, each line behind "//". Long lines are broken between words.
  void Comment(const std::string& text);

  // `head(items...)tail`, broken between items where it does not fit on a line.
  void List(const std::string& head, const std::vector<std::string>& items,
            const std::string& tail);

  // `{items...}tail`, broken likewise.
  void Braces(const std::vector<std::string>& items, const std::string& tail);

  // A function: `head(parameters...)tail { body }`, on one line where that fits.
  void Function(const std::string& head, const std::vector<std::string>& parameters,
                const std::string& tail, const std::vector<std::string>& body);

  const std::string& text() const { return text_; }

 private:
  int indent_ = 0;
  std::string text_;
};

}  // namespace nigh::codegen

#endif  // NIGH_CODEGEN_SOURCE_TEXT_H_

#include "codegen/source_text.h"

#include <cstddef>
#include <string>
#include <vector>

namespace nigh::codegen {
namespace {

constexpr size_t kColumns = 100;

std::vector<std::string> SplitLines(const std::string& text) {
  std::vector<std::string> lines(1);
  for (char c : text) {
    if (c == '\n') {
      lines.emplace_back();
    } else {
      lines.back() += c;
    }
  }
  return lines;
}

void StripTrailingSpace(std::string& line) { line.erase(line.find_last_not_of(" \t\r\f\v") + 1); }

// As many items to a line as fit, the first line behind `first_column` characters and the others
// behind `column`; `after` more characters follow the last item. "" when an item alone is too long.
std::string Pack(const std::vector<std::string>& items, size_t first_column, size_t column,
                 size_t after) {
  std::string packed;
  size_t used = first_column;
  for (size_t i = 0; i < items.size(); ++i) {
    bool last = i + 1 == items.size();
    size_t width = items[i].size() + (last ? after : 1);  // 1: the comma
    if (i > 0) {
      if (used + 1 + width <= kColumns) {
        packed += ' ';
        ++used;
      } else {
        packed += '\n' + std::string(column, ' ');
        used = column;
      }
    }
    if (used + width > kColumns) return "";
    packed += items[i];
    if (!last) packed += ',';
    used += width;
  }
  return packed;
}

std::string OneLine(const std::vector<std::string>& items) {
  std::string line;
  for (const std::string& item : items) line += (line.empty() ? "" : ", ") + item;
  return line;
}

}  // namespace

void SourceText::Line(const std::string& line) {
  if (!line.empty()) text_ += std::string(indent_, ' ') + line;
  text_ += '\n';
}

void SourceText::Comment(const std::string& text) {
  std::vector<std::string> lines = SplitLines(text);
  for (std::string& line : lines) StripTrailingSpace(line);
  while (!lines.empty() && lines.back().empty()) lines.pop_back();

  for (std::string line : lines) {
    // A comment that ends in a backslash (or its trigraph) would swallow the next line.
    if (line.ends_with('\\') || line.ends_with("\?\?/")) line += '.';
    // The text of a protobuf comment keeps the blank that follows the slashes.
    if (!line.empty() && line[0] != ' ' && line[0] != '\t') line.insert(0, 1, ' ');
    const std::string margin = line.substr(0, line.find_first_not_of(" \t"));
    const size_t room = kColumns - indent_ - 2;
    while (line.size() > room) {
      size_t blank = line.rfind(' ', room);
      if (blank == std::string::npos || blank < margin.size())
        blank = line.find(' ', margin.size());
      if (blank == std::string::npos) break;  // one long word, say an address
      std::string head = line.substr(0, blank);
      StripTrailingSpace(head);
      if (head.ends_with('\\')) head += '.';
      Line("//" + head);
      line = margin + line.substr(line.find_first_not_of(' ', blank));
    }
    Line("//" + line);
  }
}

void SourceText::List(const std::string& head, const std::vector<std::string>& items,
                      const std::string& tail) {
  const size_t open = indent_ + head.size() + 1;
  const std::string line = OneLine(items);
  if (open + line.size() + 1 + tail.size() <= kColumns) {
    Line(head + "(" + line + ")" + tail);
    return;
  }
  std::string packed = Pack(items, open, open, 1 + tail.size());
  if (packed.empty()) {
    const size_t column = indent_ + 4;
    packed = Pack(items, column, column, 1 + tail.size());
    if (packed.empty()) packed = line;  // a name longer than a line
    packed = '\n' + std::string(column, ' ') + packed;
  }
  Line(head + "(" + packed + ")" + tail);
}

void SourceText::Braces(const std::vector<std::string>& items, const std::string& tail) {
  const size_t open = indent_ + 1;
  const std::string packed = Pack(items, open, open, 1 + tail.size());
  Line("{" + (packed.empty() ? OneLine(items) : packed) + "}" + tail);
}

void SourceText::Function(const std::string& head, const std::vector<std::string>& parameters,
                          const std::string& tail, const std::vector<std::string>& body) {
  const std::string line = head + "(" + OneLine(parameters) + ")" + tail;
  if (body.empty()) {
    List(head, parameters, tail + " {}");
    return;
  }
  if (body.size() == 1 && indent_ + line.size() + body[0].size() + 5 <= kColumns) {
    Line(line + " { " + body[0] + " }");
    return;
  }
  List(head, parameters, tail + " {");
  Indent(2);
  for (const std::string& statement : body) Line(statement);
  Outdent(2);
  Line("}");
}

}  // namespace nigh::codegen

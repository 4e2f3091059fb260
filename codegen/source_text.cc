#include "codegen/source_text.h"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace nigh::codegen {
namespace {

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

// As many items to a line as fit behind `column` characters, where the first line has begun
// already; `after` more characters follow the last item. "" when an item alone is too long;
// `split`: even when broken before its last word.
std::string Pack(const std::vector<std::string>& items, size_t column, size_t after, size_t columns,
                 bool split = false) {
  std::string packed;
  size_t used = column;
  for (size_t i = 0; i < items.size(); ++i) {
    const bool last = i + 1 == items.size();
    const size_t width = items[i].size() + (last ? after : 1);  // 1: the comma
    if (i > 0 && used + 1 + width <= columns) {
      packed += ' ';
      ++used;
    } else if (i > 0) {
      packed += '\n' + std::string(column, ' ');
      used = column;
    }
    const std::string item = items[i] + (last ? "" : ",");
    const size_t name = item.rfind(' ');
    if (used + width <= columns) {
      packed += item;
      used += width;
    } else if (split && name != std::string::npos && used + name <= columns) {
      packed += item.substr(0, name) + '\n' + std::string(column + 4, ' ') + item.substr(name + 1);
      used = column + 4 + width - name - 1;
    } else {
      return "";
    }
  }
  return packed;
}

std::string OneLine(const Listing& listing) {
  if (listing.items.empty() && listing.brackets.empty()) return listing.head + listing.tail;
  std::string line = listing.head + listing.brackets[0];
  for (size_t i = 0; i < listing.items.size(); ++i) line += (i > 0 ? ", " : "") + listing.items[i];
  return line + listing.brackets[1] + listing.tail;
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
      if (blank == std::string::npos || blank < margin.size()) {
        blank = line.find(' ', margin.size());
      }
      if (blank == std::string::npos) break;  // one long word, say an address
      std::string head = line.substr(0, blank);
      StripTrailingSpace(head);
      if (head.ends_with('\\')) head += '.';
      Line("//" + head);
      line.erase(margin.size(), line.find_first_not_of(' ', blank) - margin.size());
    }
    Line("//" + line);
  }
}

void SourceText::List(const Listing& listing) {
  const std::string line = OneLine(listing);
  if (Fits(line) || listing.items.empty()) {
    Line(line);
    return;
  }
  const size_t open = indent_ + listing.head.size() + 1;
  const size_t after = 1 + listing.tail.size();
  std::string packed = Pack(listing.items, open, after, kColumns);
  if (!listing.head.empty()) {
    // Behind the bracket when that is possible; but rather below it on one line than on three, if
    // this is a call. For a declaration clang-format decides otherwise.
    const size_t column = indent_ + 4;
    const std::string below = Pack(listing.items, column, after, kColumns);
    const bool spread =
        listing.head.starts_with("return ") && std::count(packed.begin(), packed.end(), '\n') > 1;
    if (packed.empty() || (spread && below.find('\n') == std::string::npos)) {
      const std::string fitting =
          below.empty() ? Pack(listing.items, column, after, kColumns, /*split=*/true) : below;
      packed = fitting.empty() ? "" : '\n' + std::string(column, ' ') + fitting;
    }
  }
  if (packed.empty()) {
    Line(line);
  } else {
    Line(listing.head + listing.brackets[0] + packed + listing.brackets[1] + listing.tail);
  }
}

void SourceText::Assignment(const std::string& name, const std::string& value) {
  const bool fits = Fits(name + " = " + value + ";");
  Line(name + " =" + (fits ? " " : '\n' + std::string(indent_ + 4, ' ')) + value + ";");
}

void SourceText::Function(const Listing& type, const Listing& declaration,
                          const std::vector<Listing>& body) {
  Listing function = declaration;
  const std::string type_line = OneLine(type);
  const bool beside_type = Fits(type_line + " " + function.head + "(");
  if (beside_type) {
    function.head = type_line + (type_line.empty() ? "" : " ") + function.head;
  } else {
    List(type);
  }
  if (body.empty()) {
    function.tail += " {}";
    List(function);
    return;
  }
  const std::string short_form = OneLine(function) + " { " + OneLine(body[0]) + " }";
  if (beside_type && body.size() == 1 && Fits(short_form)) {
    Line(short_form);
    return;
  }
  function.tail += " {";
  List(function);
  Indent(2);
  for (const Listing& statement : body) List(statement);
  Outdent(2);
  Line("}");
}

}  // namespace nigh::codegen

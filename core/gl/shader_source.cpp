#include "core/gl/shader_source.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdlib>
#include <fstream>
#include <iterator>

#include "core/gl/embedded_shaders.h"
#include "core/tensor/error.h"

namespace headroom::gl {
namespace {

std::string_view trimmed(std::string_view line) {
  while (!line.empty() && std::isspace(static_cast<unsigned char>(line.front())))
    line.remove_prefix(1);
  while (!line.empty() && std::isspace(static_cast<unsigned char>(line.back())))
    line.remove_suffix(1);
  return line;
}

/// The file of an `#include "file"` line, else empty.
std::string included_file(std::string_view line) {
  line = trimmed(line);
  if (line.empty() || line.front() != '#') return {};
  line = trimmed(line.substr(1));
  constexpr std::string_view kWord = "include";
  if (!line.starts_with(kWord)) return {};
  line = trimmed(line.substr(kWord.size()));
  if (line.size() < 3 || line.front() != '"') return {};
  const std::size_t end = line.find('"', 1);
  return end == std::string_view::npos ? std::string() : std::string(line.substr(1, end - 1));
}

class Expander {
 public:
  explicit Expander(ShaderSource& source) : source_(source) {}

  void append(const std::string& name, std::string_view text, const std::vector<ShaderDefine>& defines) {
    const std::size_t number = source_.files.size();
    source_.files.push_back(name);
    std::size_t line_number = 0;
    const bool has_version = trimmed(text.substr(0, text.find('\n'))).starts_with("#version");
    if (!has_version) start(defines, 1, number);
    while (!text.empty()) {
      const std::size_t end = std::min(text.find('\n'), text.size());
      const std::string_view line = text.substr(0, end);
      text.remove_prefix(std::min(end + 1, text.size()));
      ++line_number;
      const std::string file = included_file(line);
      if (file.empty()) {
        source_.text.append(line).push_back('\n');
        if (line_number == 1 && has_version) start(defines, 2, number);
      } else {
        include(file, name + ":" + std::to_string(line_number));
        mark_line(line_number + 1, number);
      }
    }
  }

 private:
  void start(const std::vector<ShaderDefine>& defines, std::size_t next_line, std::size_t number) {
    for (const ShaderDefine& define : defines)
      source_.text += "#define " + define.name + " " + std::to_string(define.value) + "\n";
    mark_line(next_line, number);
  }
  void mark_line(std::size_t line, std::size_t number) {
    source_.text += "#line " + std::to_string(line) + " " + std::to_string(number) + "\n";
  }
  void include(const std::string& file, const std::string& where) {
    if (std::find(source_.files.begin(), source_.files.end(), file) != source_.files.end()) return;
    std::string text;
    try {
      text = shader_text(file);
    } catch (const Error& failure) {
      throw Error(where + ": " + failure.what());
    }
    append(file, text, {});
  }

  ShaderSource& source_;
};

/// Reads digits at `at`; moves `at` past them. -1 when there are none.
long take_number(std::string_view text, std::size_t& at) {
  long value = -1;
  const auto [end, status] = std::from_chars(text.data() + at, text.data() + text.size(), value);
  if (status != std::errc()) return -1;
  at = static_cast<std::size_t>(end - text.data());
  return value;
}

}  // namespace

std::string ShaderSource::readable_log(std::string_view log) const {
  // Drivers write "0:12(3): error", "0(12) : error" or "ERROR: 0:12: ...": source string, line, perhaps column.
  std::string readable;
  while (!log.empty()) {
    const std::size_t end = std::min(log.find('\n'), log.size());
    std::string_view line = log.substr(0, end);
    log.remove_prefix(std::min(end + 1, log.size()));
    std::size_t at = line.starts_with("ERROR: ") || line.starts_with("WARNING: ") ? line.find(' ') + 1 : 0;
    const std::string_view prefix = line.substr(0, at);
    const long number = take_number(line, at);
    const bool is_place = number >= 0 && static_cast<std::size_t>(number) < files.size() && at + 1 < line.size() &&
                          (line[at] == ':' || line[at] == '(');
    const bool has_parenthesis = is_place && line[at] == '(';
    if (is_place) ++at;
    const long line_number = is_place ? take_number(line, at) : -1;
    if (line_number < 0) {
      readable.append(line).push_back('\n');
      continue;
    }
    if (has_parenthesis && at < line.size() && line[at] == ')') ++at;
    readable += std::string(prefix) + files[static_cast<std::size_t>(number)] + ":" + std::to_string(line_number);
    readable.append(line.substr(at)).push_back('\n');
  }
  while (!readable.empty() && std::isspace(static_cast<unsigned char>(readable.back())))
    readable.pop_back();
  return readable;
}

std::string shader_text(const std::string& name) {
  if (const char* folder = std::getenv("HEADROOM_SHADER_DIR"); folder != nullptr && *folder != '\0') {
    const std::string path = std::string(folder) + "/" + name;
    std::ifstream file(path, std::ios::binary);
    if (!file) throw Error("the shader " + path + " cannot be read (HEADROOM_SHADER_DIR names its folder)");
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  for (const EmbeddedShader* shader = kEmbeddedShaders; shader->name != nullptr; ++shader) {
    if (name == shader->name) return shader->text;
  }
  throw Error("there is no shader named " + name);
}

ShaderSource expand_shader(const std::string& name, std::string_view text, const std::vector<ShaderDefine>& defines) {
  ShaderSource source;
  source.name = name;
  Expander(source).append(name, text, defines);
  return source;
}

ShaderSource load_shader(const std::string& name, const std::vector<ShaderDefine>& defines) {
  return expand_shader(name, shader_text(name), defines);
}

}  // namespace headroom::gl

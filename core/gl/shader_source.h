#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace headroom::gl {

/// One `#define name value` put before a shader's text.
struct ShaderDefine {
  std::string name;
  long long value = 0;
  auto operator<=>(const ShaderDefine&) const = default;
};

/// A shader's text, ready for the compiler: includes expanded, with #line directives that keep each line's own file and number.
struct ShaderSource {
  std::string name;  ///< of the file asked for
  std::string text;
  std::vector<std::string> files;  ///< by the source-string numbers in #line

  /// A driver's log with source-string numbers replaced by file names: "projection.comp:12: error: ...".
  std::string readable_log(std::string_view log) const;
};

/// Text of one shader file: from the folder named by the environment variable HEADROOM_SHADER_DIR when that is set, else embedded.
/// Errors  Error naming the file when there is none.
std::string shader_text(const std::string& name);

/// Reads `name`, puts the defines after its #version line and expands each `#include "file"` among the shaders, every file once.
/// Errors  Error naming file and line of an include that does not exist.
ShaderSource load_shader(const std::string& name, const std::vector<ShaderDefine>& defines = {});

/// The same for a text that is in no file; `name` stands for it in messages.
ShaderSource expand_shader(const std::string& name, std::string_view text, const std::vector<ShaderDefine>& defines = {});

}  // namespace headroom::gl

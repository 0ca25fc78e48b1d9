#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/gl/shader_source.h"

namespace headroom::gl {

/// A linked GLSL program. Belongs to the context that is current when it is made and destroyed.
class Program {
 public:
  /// Errors  Error with the shader's own file and line and the driver's log.
  static Program compute(const ShaderSource& source);
  static Program draw(const ShaderSource& vertex, const ShaderSource& fragment);
  ~Program();
  Program(Program&& other) noexcept;
  Program& operator=(Program&& other) noexcept;

  void use() const;
  unsigned id() const { return id_; }

 private:
  explicit Program(unsigned id) : id_(id) {}
  unsigned id_ = 0;
};

/// Compute programs by file name and defines, each compiled when it is first asked for.
class ProgramCache {
 public:
  const Program& get(const std::string& name, const std::vector<ShaderDefine>& defines);

 private:
  std::map<std::pair<std::string, std::vector<ShaderDefine>>, Program> programs_;
};

}  // namespace headroom::gl

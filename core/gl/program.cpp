#include "core/gl/program.h"

#include <epoxy/gl.h>

#include <array>
#include <span>
#include <utility>

#include "core/gl/gl_error.h"
#include "core/tensor/error.h"

namespace headroom::gl {
namespace {

/// A shader object that lives until its program is linked.
class Stage {
 public:
  Stage(GLenum kind, const ShaderSource& source) : id_(glCreateShader(kind)) {
    const char* text = source.text.c_str();
    glShaderSource(id_, 1, &text, nullptr);
    glCompileShader(id_);
    GLint is_compiled = GL_FALSE;
    glGetShaderiv(id_, GL_COMPILE_STATUS, &is_compiled);
    if (is_compiled == GL_TRUE) return;
    GLint length = 0;
    glGetShaderiv(id_, GL_INFO_LOG_LENGTH, &length);
    std::string log(static_cast<std::size_t>(length > 0 ? length : 1), '\0');
    glGetShaderInfoLog(id_, static_cast<GLsizei>(log.size()), &length, log.data());
    log.resize(static_cast<std::size_t>(length));
    glDeleteShader(id_);
    throw Error("The shader " + source.name + " does not compile: " + source.readable_log(log));
  }
  ~Stage() { glDeleteShader(id_); }
  Stage(const Stage&) = delete;
  Stage& operator=(const Stage&) = delete;
  GLuint id() const { return id_; }

 private:
  GLuint id_;
};

GLuint link(std::span<const GLuint> stages, const std::string& name) {
  const GLuint program = glCreateProgram();
  for (const GLuint stage : stages)
    glAttachShader(program, stage);
  glLinkProgram(program);
  for (const GLuint stage : stages)
    glDetachShader(program, stage);
  GLint is_linked = GL_FALSE;
  glGetProgramiv(program, GL_LINK_STATUS, &is_linked);
  if (is_linked == GL_TRUE) return program;
  GLint length = 0;
  glGetProgramiv(program, GL_INFO_LOG_LENGTH, &length);
  std::string log(static_cast<std::size_t>(length > 0 ? length : 1), '\0');
  glGetProgramInfoLog(program, static_cast<GLsizei>(log.size()), &length, log.data());
  log.resize(static_cast<std::size_t>(length));
  glDeleteProgram(program);
  throw Error("The shader program " + name + " does not link: " + log);
}

}  // namespace

Program Program::compute(const ShaderSource& source) {
  const Stage stage(GL_COMPUTE_SHADER, source);
  return Program(link(std::array{stage.id()}, source.name));
}

Program Program::draw(const ShaderSource& vertex, const ShaderSource& fragment) {
  const Stage first(GL_VERTEX_SHADER, vertex);
  const Stage second(GL_FRAGMENT_SHADER, fragment);
  return Program(link(std::array{first.id(), second.id()}, vertex.name + " + " + fragment.name));
}

Program::~Program() {
  if (id_ != 0) glDeleteProgram(id_);
}

Program::Program(Program&& other) noexcept : id_(std::exchange(other.id_, 0U)) {}

Program& Program::operator=(Program&& other) noexcept {
  std::swap(id_, other.id_);
  return *this;
}

void Program::use() const { glUseProgram(id_); }

const Program& ProgramCache::get(const std::string& name, const std::vector<ShaderDefine>& defines) {
  const auto key = std::pair(name, defines);
  const auto found = programs_.find(key);
  if (found != programs_.end()) return found->second;
  return programs_.emplace(key, Program::compute(load_shader(name, defines))).first->second;
}

}  // namespace headroom::gl

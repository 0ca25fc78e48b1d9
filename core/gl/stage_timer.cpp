#include "core/gl/stage_timer.h"

#include <epoxy/gl.h>

namespace headroom::gl {

StageTimer::StageTimer() {
  GLint bits = 0;
  glGetQueryiv(GL_TIMESTAMP, GL_QUERY_COUNTER_BITS, &bits);
  has_clock_ = bits > 0;
}

StageTimer::~StageTimer() {
  if (!queries_.empty()) glDeleteQueries(static_cast<GLsizei>(queries_.size()), queries_.data());
}

void StageTimer::mark() {
  if (!has_clock_) {
    glFinish();
    moments_.push_back(std::chrono::steady_clock::now());
    return;
  }
  GLuint query = 0;
  glGenQueries(1, &query);
  glQueryCounter(query, GL_TIMESTAMP);
  queries_.push_back(query);
}

void StageTimer::begin(const std::string& stage) {
  mark();
  stages_.push_back(stage);
}

std::vector<StageTime> StageTimer::finish() {
  mark();
  std::vector<double> at_ms;  // since the first mark
  GLuint64 first = 0;
  for (const GLuint query : queries_) {
    GLuint64 nanoseconds = 0;
    glGetQueryObjectui64v(query, GL_QUERY_RESULT, &nanoseconds);
    if (at_ms.empty()) first = nanoseconds;
    at_ms.push_back(static_cast<double>(nanoseconds - first) * 1e-6);
  }
  for (const auto moment : moments_)
    at_ms.push_back(std::chrono::duration<double, std::milli>(moment - moments_.front()).count());
  std::vector<StageTime> times;
  for (std::size_t i = 0; i < stages_.size(); ++i)
    times.push_back({stages_[i], at_ms[i + 1] - at_ms[i]});
  return times;
}

}  // namespace headroom::gl

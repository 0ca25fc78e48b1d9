#include "core/gl/pacer.h"

#include <epoxy/gl.h>

#include <algorithm>

#include "core/tensor/error.h"

namespace headroom::gl {
namespace {

// Two: one runs while the next is prepared.
constexpr std::size_t kMostPending = 2;
// Before anything is measured: some milliseconds for one core, and for a small GPU.
constexpr double kFirstFlopsSoftware = 1e8, kFirstFlopsDevice = 2e9;
constexpr double kLeastFlops = 1e6, kMostFlops = 1e13;
constexpr GLuint64 kWaitNs = 1'000'000'000;

double ms_since(std::chrono::steady_clock::time_point moment) {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - moment).count();
}

}  // namespace

Pacer::Pacer(bool is_software, const GpuOptions& options)
    : is_fixed_(options.dispatch_flops.has_value()),
      dispatch_ms_(options.dispatch_ms),
      next_flops_(options.dispatch_flops.value_or(is_software ? kFirstFlopsSoftware : kFirstFlopsDevice)) {
  GLint bits = 0;
  glGetQueryiv(GL_TIMESTAMP, GL_QUERY_COUNTER_BITS, &bits);
  has_clock_ = bits > 0;
}

Pacer::~Pacer() {
  pending_.push_back(current_);
  for (const Pending& pending : pending_) {
    glDeleteQueries(2, pending.queries);
    if (pending.fence != nullptr) glDeleteSync(pending.fence);
  }
}

void Pacer::begin(const std::stop_token& stop) {
  while (pending_.size() >= kMostPending)
    finish_oldest();
  if (stop.stop_requested()) throw Cancelled();
  if (current_.queries[0] == 0) glGenQueries(2, current_.queries);
  current_.given = std::chrono::steady_clock::now();
  if (has_clock_) glQueryCounter(current_.queries[0], GL_TIMESTAMP);
}

void Pacer::end(double flops) {
  if (has_clock_) glQueryCounter(current_.queries[1], GL_TIMESTAMP);
  current_.fence = glFenceSync(GL_SYNC_GPU_COMMANDS_COMPLETE, 0);
  current_.flops = flops;
  glFlush();
  pending_.push_back(current_);
  current_ = {};
  ++n_dispatches_;
}

void Pacer::finish_oldest() {
  Pending oldest = pending_.front();
  pending_.pop_front();
  GLenum answer = GL_TIMEOUT_EXPIRED;
  while (answer == GL_TIMEOUT_EXPIRED)
    answer = glClientWaitSync(oldest.fence, GL_SYNC_FLUSH_COMMANDS_BIT, kWaitNs);
  double ms = ms_since(oldest.given);
  if (has_clock_ && answer != GL_WAIT_FAILED) {
    GLuint64 from = 0, to = 0;
    glGetQueryObjectui64v(oldest.queries[0], GL_QUERY_RESULT, &from);
    glGetQueryObjectui64v(oldest.queries[1], GL_QUERY_RESULT, &to);
    ms = static_cast<double>(to - std::min(from, to)) * 1e-6;
  }
  glDeleteSync(oldest.fence);
  if (current_.queries[0] == 0) {
    std::copy_n(oldest.queries, 2, current_.queries);
  } else {
    glDeleteQueries(2, oldest.queries);
  }
  if (answer == GL_WAIT_FAILED) throw Error("The GPU did not finish its work: the driver lost the device");
  learn(oldest.flops, ms);
}

void Pacer::learn(double flops, double ms) {
  if (is_fixed_ || flops <= 0) return;
  // A first dispatch may hold a compilation and a small one too little to tell: change by steps.
  const double wished = flops * dispatch_ms_ / std::max(ms, 1e-3);
  next_flops_ = std::clamp(std::clamp(wished, next_flops_ / 4, next_flops_ * 4), kLeastFlops, kMostFlops);
}

}  // namespace headroom::gl

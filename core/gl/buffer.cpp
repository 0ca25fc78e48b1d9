#include "core/gl/buffer.h"

#include <epoxy/gl.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <utility>

#include "core/gl/gl_error.h"
#include "core/tensor/error.h"

namespace headroom::gl {
namespace {

// A whole texel even when nothing is stored: zero-sized buffers cannot be bound.
constexpr std::size_t kMinBytes = 16;

/// Whole texels, and never a power of two: Mesa's software renderer compiles each kernel anew, for tenths of a second, when one of its
/// textures changes between such a size and another.
std::size_t room_for(std::size_t bytes) {
  const std::size_t rounded = (std::max(bytes, kMinBytes) + kMinBytes - 1) / kMinBytes * kMinBytes;
  return std::has_single_bit(rounded) ? rounded + kMinBytes : rounded;
}

GLenum format_of(Texel texel) {
  switch (texel) {
    case Texel::kVec2:
      return GL_RG32F;
    case Texel::kUint:
      return GL_R32UI;
    case Texel::kHalf4:
      return GL_RGBA16F;
    case Texel::kUint2:
      return GL_RG32UI;
    case Texel::kVec4:
    case Texel::kNone:
      break;
  }
  return GL_RGBA32F;
}

std::size_t texel_bytes(Texel texel) {
  switch (texel) {
    case Texel::kVec2:
    case Texel::kHalf4:
    case Texel::kUint2:
      return 8;
    case Texel::kUint:
      return 4;
    case Texel::kVec4:
    case Texel::kNone:
      break;
  }
  return 16;
}

void check_texels(Texel texel, std::size_t bytes, const std::string& what) {
  if (texel == Texel::kNone) return;
  GLint limit = 0;
  glGetIntegerv(GL_MAX_TEXTURE_BUFFER_SIZE, &limit);
  const std::size_t n_texels = bytes / texel_bytes(texel);
  if (n_texels <= static_cast<std::size_t>(limit)) return;
  throw Error(what + " needs a buffer of " + std::to_string(n_texels) + " texels; this OpenGL fetches from at most " +
              std::to_string(limit));
}

std::atomic<std::size_t> held_bytes = 0;
std::atomic<std::size_t> most_held_bytes = 0;

void count_bytes(std::size_t bytes) {
  const std::size_t now = held_bytes += bytes;
  std::size_t most = most_held_bytes;
  while (now > most && !most_held_bytes.compare_exchange_weak(most, now)) {
  }
}

}  // namespace

std::size_t buffer_bytes() { return held_bytes; }
std::size_t peak_buffer_bytes() { return most_held_bytes; }
void reset_peak_buffer_bytes() { most_held_bytes = held_bytes.load(); }

Buffer::~Buffer() { release(); }

Buffer::Buffer(Buffer&& other) noexcept
    : texel_(other.texel_),
      buffer_(std::exchange(other.buffer_, 0U)),
      texture_(std::exchange(other.texture_, 0U)),
      capacity_(std::exchange(other.capacity_, 0U)),
      size_(std::exchange(other.size_, 0U)) {}

Buffer& Buffer::operator=(Buffer&& other) noexcept {
  if (this == &other) return *this;
  release();
  texel_ = other.texel_;
  buffer_ = std::exchange(other.buffer_, 0U);
  texture_ = std::exchange(other.texture_, 0U);
  capacity_ = std::exchange(other.capacity_, 0U);
  size_ = std::exchange(other.size_, 0U);
  return *this;
}

void Buffer::release() noexcept {
  if (texture_ != 0) glDeleteTextures(1, &texture_);
  if (buffer_ != 0) glDeleteBuffers(1, &buffer_);
  held_bytes -= capacity_;
  texture_ = 0;
  buffer_ = 0;
  capacity_ = 0;
  size_ = 0;
}

void Buffer::reserve(std::size_t bytes, const std::string& what) {
  const std::size_t wanted = room_for(bytes);
  if (wanted <= capacity_) {
    size_ = std::max(bytes, kMinBytes);
    return;
  }
  check_texels(texel_, bytes, what);
  release();
  drop_gl_errors();
  glGenBuffers(1, &buffer_);
  glBindBuffer(GL_COPY_WRITE_BUFFER, buffer_);
  glBufferData(GL_COPY_WRITE_BUFFER, static_cast<GLsizeiptr>(wanted), nullptr, GL_DYNAMIC_COPY);
  try {
    check_gl("making room for " + what + " (" + std::to_string(wanted) + " bytes)");
    if (texel_ != Texel::kNone) {
      glGenTextures(1, &texture_);
      glBindTexture(GL_TEXTURE_BUFFER, texture_);
      glTexBuffer(GL_TEXTURE_BUFFER, format_of(texel_), buffer_);
      check_gl("making a texture over " + what + " (" + std::to_string(wanted) + " bytes)");
    }
  } catch (const Error&) {
    release();
    throw;
  }
  capacity_ = wanted;
  count_bytes(wanted);
  size_ = std::max(bytes, kMinBytes);
}

void Buffer::upload(std::span<const std::byte> bytes, const std::string& what) {
  reserve(bytes.size(), what);
  if (bytes.empty()) return;
  glBindBuffer(GL_COPY_WRITE_BUFFER, buffer_);
  glBufferSubData(GL_COPY_WRITE_BUFFER, 0, static_cast<GLsizeiptr>(bytes.size()), bytes.data());
  check_gl("uploading " + what);
}

void Buffer::read(std::size_t offset, std::span<std::byte> bytes) const {
  if (offset > capacity_ || bytes.size() > capacity_ - offset) {
    throw Error("a buffer of " + std::to_string(capacity_) + " bytes cannot be read from byte " + std::to_string(offset) + " to " +
                std::to_string(offset + bytes.size()));
  }
  if (bytes.empty()) return;
  glBindBuffer(GL_COPY_READ_BUFFER, buffer_);
  glGetBufferSubData(GL_COPY_READ_BUFFER, static_cast<GLintptr>(offset), static_cast<GLsizeiptr>(bytes.size()), bytes.data());
  check_gl("reading a buffer back");
}

void Buffer::fill(float value, std::size_t bytes) {
  if (bytes == 0) return;
  if (bytes > capacity_)
    throw Error("a buffer of " + std::to_string(capacity_) + " bytes has no " + std::to_string(bytes) + " to fill");
  glBindBuffer(GL_COPY_WRITE_BUFFER, buffer_);
  glClearBufferSubData(GL_COPY_WRITE_BUFFER, GL_R32F, 0, static_cast<GLsizeiptr>(bytes), GL_RED, GL_FLOAT, &value);
  check_gl("filling a buffer");
}

void Buffer::bind_texture(unsigned unit) const {
  if (texture_ == 0) throw Error("a buffer without texels was bound as a texture");
  glActiveTexture(GL_TEXTURE0 + unit);
  glBindTexture(GL_TEXTURE_BUFFER, texture_);
}

void Buffer::bind_storage(unsigned slot) const { bind_storage(slot, 0, size_); }

void Buffer::bind_storage(unsigned slot, std::size_t offset, std::size_t bytes) const {
  if (offset > capacity_ || bytes > capacity_ - offset) throw Error("a storage block lies outside its buffer");
  glBindBufferRange(GL_SHADER_STORAGE_BUFFER, slot, buffer_, static_cast<GLintptr>(offset), static_cast<GLsizeiptr>(bytes));
}

UniformBuffer::~UniformBuffer() {
  if (buffer_ != 0) glDeleteBuffers(1, &buffer_);
}

void UniformBuffer::write_bytes(unsigned slot, std::span<const std::byte> bytes) {
  if (buffer_ == 0) glGenBuffers(1, &buffer_);
  glBindBuffer(GL_UNIFORM_BUFFER, buffer_);
  // New storage each time: the dispatch before may still read the old one.
  glBufferData(GL_UNIFORM_BUFFER, static_cast<GLsizeiptr>(bytes.size()), bytes.data(), GL_STREAM_DRAW);
  glBindBufferBase(GL_UNIFORM_BUFFER, slot, buffer_);
}

}  // namespace headroom::gl

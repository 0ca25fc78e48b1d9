#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace headroom::gl {

/// How shaders fetch from a buffer, beside reading and writing it as a storage block.
enum class Texel {
  kNone,   ///< never fetched
  kVec4,   ///< samplerBuffer of four floats
  kVec2,   ///< samplerBuffer of two floats
  kUint,   ///< usamplerBuffer of one 32-bit integer
  kHalf4,  ///< samplerBuffer of four float16
  kUint2,  ///< usamplerBuffer of two 32-bit integers: four bfloat16
};

/// Bytes of all buffers that live now, and the most that lived at once since reset_peak_buffer_bytes(). Counts this process, all contexts.
std::size_t buffer_bytes();
std::size_t peak_buffer_bytes();
void reset_peak_buffer_bytes();

/// A buffer on the device, and the buffer texture through which shaders fetch from it. Its objects belong to the context that is current
/// when they are made, used and destroyed.
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(Texel texel) : texel_(texel) {}
  ~Buffer();
  Buffer(Buffer&& other) noexcept;
  Buffer& operator=(Buffer&& other) noexcept;

  /// Makes room for at least `bytes`; what it held is lost when it has to grow.
  /// Errors  Error naming `what` and both sizes when the device has no room, or cannot fetch from a buffer of that size.
  void reserve(std::size_t bytes, const std::string& what);
  /// Reserves and uploads.
  void upload(std::span<const std::byte> bytes, const std::string& what);
  template <typename T>
  void upload(std::span<const T> values, const std::string& what) {
    upload(std::as_bytes(values), what);
  }

  /// Copies [offset, offset + bytes.size()) back and waits for it. Errors  Error when the range does not fit.
  void read(std::size_t offset, std::span<std::byte> bytes) const;
  template <typename T>
  void read(std::size_t offset, std::span<T> values) const {
    read(offset, std::as_writable_bytes(values));
  }
  /// Sets every 32-bit float of the first `bytes` bytes.
  void fill(float value, std::size_t bytes);

  /// As texture `unit`. Errors  Error when the buffer is empty or was made without texels.
  void bind_texture(unsigned unit) const;
  /// As storage block `slot`: the bytes asked for last, or a range; the offset must be a multiple of the device's alignment.
  void bind_storage(unsigned slot) const;
  void bind_storage(unsigned slot, std::size_t offset, std::size_t bytes) const;

  std::size_t capacity() const { return capacity_; }
  Texel texel() const { return texel_; }

 private:
  void release() noexcept;

  Texel texel_ = Texel::kNone;
  unsigned buffer_ = 0;
  unsigned texture_ = 0;
  std::size_t capacity_ = 0;  ///< bytes
  std::size_t size_ = 0;      ///< bytes asked for last, at least one texel
};

/// A small uniform block, written before each dispatch.
class UniformBuffer {
 public:
  UniformBuffer() = default;
  ~UniformBuffer();
  UniformBuffer(const UniformBuffer&) = delete;
  UniformBuffer& operator=(const UniformBuffer&) = delete;

  template <typename Block>
  void write(unsigned slot, const Block& block) {
    write_bytes(slot, std::as_bytes(std::span(&block, 1)));
  }

 private:
  void write_bytes(unsigned slot, std::span<const std::byte> bytes);
  unsigned buffer_ = 0;
};

}  // namespace headroom::gl

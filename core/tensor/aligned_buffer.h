#pragma once

#include <algorithm>
#include <cstddef>
#include <new>
#include <span>
#include <utility>

namespace headroom {

/// What new memory holds. kNone is for what is written whole before it is read: its pages are then first touched by the threads that
/// write them.
enum class Fill { kZero, kNone };

namespace aligned_memory {
/// On a 64-byte boundary; of 4 MiB and more on a 2 MiB one and, where the system has them, in large pages: a fault for each 4 KiB would
/// cost as much as writing them. Errors  std::bad_alloc.
void* allocate(std::size_t bytes);
void release(void* memory, std::size_t bytes) noexcept;
}  // namespace aligned_memory

/// Owning array of trivially copyable T on a 64-byte boundary (one cache line, one AVX-512 register).
template <typename T>
class AlignedBuffer {
 public:
  static constexpr std::size_t kAlignment = 64;

  AlignedBuffer() = default;
  /// Errors  std::bad_alloc, also when size * sizeof(T) overflows.
  explicit AlignedBuffer(std::size_t size, Fill fill = Fill::kZero) : size_(size) {
    if (size == 0) return;
    if (size > static_cast<std::size_t>(-1) / 2 / sizeof(T)) throw std::bad_alloc();
    data_ = static_cast<T*>(aligned_memory::allocate(size * sizeof(T)));
    if (fill == Fill::kZero) std::fill_n(data_, size, T{});
  }
  AlignedBuffer(const AlignedBuffer& other) : AlignedBuffer(other.size_, Fill::kNone) {
    std::copy_n(other.data_, size_, data_);
  }
  AlignedBuffer(AlignedBuffer&& other) noexcept
      : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}
  AlignedBuffer& operator=(AlignedBuffer other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
    return *this;
  }
  ~AlignedBuffer() {
    if (data_ != nullptr) aligned_memory::release(data_, size_ * sizeof(T));
  }

  T* data() { return data_; }
  const T* data() const { return data_; }
  std::size_t size() const { return size_; }
  T& operator[](std::size_t i) { return data_[i]; }
  const T& operator[](std::size_t i) const { return data_[i]; }
  std::span<T> span() { return {data_, size_}; }
  std::span<const T> span() const { return {data_, size_}; }

 private:
  T* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace headroom

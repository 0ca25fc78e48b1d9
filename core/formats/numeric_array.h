#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/formats/file.h"
#include "core/formats/number_format.h"

namespace headroom {

/// The bytes of one array, wherever they lie. Threads  All members may be called from several threads at once.
class ByteSource {
 public:
  virtual ~ByteSource() = default;
  /// Errors  Error when they cannot be read.
  virtual void read(std::uint64_t offset, std::span<std::byte> to) const = 0;
};

/// A range of an open file, read where it lies.
class FileBytes : public ByteSource {
 public:
  FileBytes(std::shared_ptr<const InputFile> file, std::uint64_t begin) : file_(std::move(file)), begin_(begin) {}
  void read(std::uint64_t offset, std::span<std::byte> to) const override { file_->read(begin_ + offset, to); }

 private:
  std::shared_ptr<const InputFile> file_;
  std::uint64_t begin_;
};

/// Bytes that are made when they are first looked at and then stay in memory: of an array that cannot be read in rows where it lies.
class HeldBytes : public ByteSource {
 public:
  /// Errors  of make, at each look until it succeeds.
  explicit HeldBytes(std::function<std::vector<std::byte>()> make) : make_(std::move(make)) {}
  void read(std::uint64_t offset, std::span<std::byte> to) const override;

 private:
  std::function<std::vector<std::byte>()> make_;
  mutable std::mutex mutex_;
  mutable std::vector<std::byte> bytes_;
  mutable bool is_made_ = false;
};

/// More than this is not held in memory of one file just to read it in another order, or inflated.
inline constexpr std::uint64_t kMaxHeldBytes = std::uint64_t{1} << 30;

/// One array of numbers in a file: what it is called, its shape, and its values by need, row-major.
struct NumericArray {
  std::string name;
  std::vector<std::int64_t> shape;  ///< no dimension is negative; the product fits 63 bits even in bytes
  NumberFormat format;
  std::shared_ptr<const ByteSource> bytes;

  std::int64_t rank() const { return static_cast<std::int64_t>(shape.size()); }
  std::int64_t size() const;  ///< numbers
  /// Numbers first, first + 1, ... as float32.
  void read(std::int64_t first, std::span<float> to) const;
  /// All of it as integers. Errors  Error when it holds floats or more than `most` numbers.
  std::vector<std::int64_t> integers(std::int64_t most) const;
};

/// Numbers of a shape, or nothing when they, times `bytes` each, do not fit 63 bits.
std::optional<std::int64_t> checked_size(std::span<const std::int64_t> shape, std::size_t bytes);

/// "[2, 12, 9, 9]"
std::string dims_text(std::span<const std::int64_t> shape);

}  // namespace headroom

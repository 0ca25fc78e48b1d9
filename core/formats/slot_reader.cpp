#include "core/formats/slot_reader.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <span>
#include <vector>

#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// Numbers whose exponent's bits are all ones are infinite or NaN.
template <typename Bits>
std::uint64_t count_full_exponents(std::span<const std::byte> bytes, Bits exponent) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i + sizeof(Bits) <= bytes.size(); i += sizeof(Bits)) {
    Bits bits;
    std::memcpy(&bits, bytes.data() + i, sizeof bits);
    count += (bits & exponent) == exponent ? 1 : 0;
  }
  return count;
}

/// Two bytes each, as they lie in a file.
void to_bits(std::span<const std::byte> bytes, std::uint16_t* to) {
  for (std::size_t i = 0; i + 2 <= bytes.size(); i += 2)
    to[i / 2] = static_cast<std::uint16_t>(std::to_integer<unsigned>(bytes[i]) | std::to_integer<unsigned>(bytes[i + 1]) << 8U);
}

/// Reads a tensor's bytes piece by piece, watching the time and counting what is no number.
class PieceReader {
 public:
  PieceReader(const SlotReading& reading, const ReadWatch& watch) : reading_(reading), watch_(watch) {}

  std::uint64_t element_bytes() const { return static_cast<std::uint64_t>(dtype_bits(reading_.entry->dtype)) / 8; }
  std::uint64_t n_non_finite() const { return n_non_finite_; }

  /// Calls body(first element of the piece, its bytes) for elements [first, first + n) of the tensor, whole `grain`s of elements at a time.
  template <typename Body>
  void each_piece(std::uint64_t first, std::uint64_t n, std::uint64_t grain, const Body& body) {
    const std::uint64_t width = element_bytes();
    const std::uint64_t step = std::max<std::uint64_t>(1, kReadPieceBytes / (grain * width)) * grain;
    piece_.resize(static_cast<std::size_t>(std::min(step, n) * width));
    for (std::uint64_t done = 0; done < n; done += step) {
      const std::span<std::byte> bytes(piece_.data(), static_cast<std::size_t>(std::min(step, n - done) * width));
      read_piece(first + done, bytes);
      body(first + done, std::span<const std::byte>(bytes));
    }
  }
  /// The same values, in the file's type, to where they stay.
  void read_in_place(std::uint64_t first, std::span<std::byte> to) {
    const std::uint64_t width = element_bytes();
    for (std::uint64_t done = 0; done < to.size(); done += kReadPieceBytes)
      read_piece(first + done / width,
                 to.subspan(static_cast<std::size_t>(done), static_cast<std::size_t>(std::min(kReadPieceBytes, to.size() - done))));
  }

 private:
  void read_piece(std::uint64_t first, std::span<std::byte> bytes) {
    if (watch_.stop.stop_requested()) throw Cancelled();
    reading_.file->read_bytes(*reading_.entry, first * element_bytes(), bytes);
    n_non_finite_ += count_non_finite(reading_.entry->dtype, bytes);
    if (watch_.on_read) watch_.on_read(bytes.size());
  }

  const SlotReading& reading_;
  const ReadWatch& watch_;
  std::vector<std::byte> piece_;
  std::uint64_t n_non_finite_ = 0;
};

std::int64_t cols_in(const TensorPart& part) { return part.shape.size() == 1 ? 1 : part.shape[1]; }

std::span<std::byte> bytes_of(Tensor& tensor) {
  return tensor.type() == FloatType::kFloat32 ? std::as_writable_bytes(tensor.span()) : std::as_writable_bytes(tensor.bits());
}

bool is_as_stored(DType dtype, FloatType type) {
  return std::endian::native == std::endian::little && dtype != DType::kF64 && stored_type(dtype) == type;
}

/// Elements of a file's piece to n elements of a part.
void place(DType dtype, std::span<const std::byte> piece, Tensor& tensor, std::int64_t first) {
  const std::size_t n = piece.size() / (static_cast<std::size_t>(dtype_bits(dtype)) / 8);
  if (tensor.type() == FloatType::kFloat32) {
    to_floats(dtype, piece, tensor.span().subspan(static_cast<std::size_t>(first), n));
    return;
  }
  to_bits(piece, tensor.bits().data() + first);
}

void read_stacked(const SlotReading& reading, PieceReader& reader) {
  const DType dtype = reading.entry->dtype;
  for (const SlotRun& run : slot_runs(reading.slot)) {
    const TensorPart& part = reading.slot.parts[run.part];
    const std::int64_t cols = cols_in(part);
    const auto first = static_cast<std::uint64_t>(run.begin * cols), n = static_cast<std::uint64_t>(run.n * cols);
    Tensor& tensor = *part.tensor;
    const std::int64_t to = run.part_begin * cols;
    if (is_as_stored(dtype, tensor.type())) {
      const std::uint64_t width = reader.element_bytes();
      reader.read_in_place(first, bytes_of(tensor).subspan(static_cast<std::size_t>(static_cast<std::uint64_t>(to) * width),
                                                           static_cast<std::size_t>(n * width)));
      continue;
    }
    reader.each_piece(first, n, 1, [&](std::uint64_t at, std::span<const std::byte> piece) {
      place(dtype, piece, tensor, to + static_cast<std::int64_t>(at - first));
    });
  }
}

/// to[c * to_stride + r] = from[r * from_stride + c] in blocks whose lines stay in the nearest cache.
template <typename Value>
struct Corner {
  const Value* from = nullptr;
  std::int64_t from_stride = 0;
  Value* to = nullptr;
  std::int64_t to_stride = 0;
};
template <typename Value>
void transpose(const Corner<Value>& corner, std::int64_t rows, std::int64_t cols) {
  constexpr std::int64_t kBlock = 16;
  for (std::int64_t c0 = 0; c0 < cols; c0 += kBlock) {
    const std::int64_t c_end = std::min(cols, c0 + kBlock);
    for (std::int64_t r0 = 0; r0 < rows; r0 += kBlock) {
      const std::int64_t r_end = std::min(rows, r0 + kBlock);
      for (std::int64_t c = c0; c < c_end; ++c)
        for (std::int64_t r = r0; r < r_end; ++r)
          corner.to[c * corner.to_stride + r] = corner.from[r * corner.from_stride + c];
    }
  }
}

/// The file's rows are the parts' columns.
void read_transposed(const SlotReading& reading, PieceReader& reader) {
  const DType dtype = reading.entry->dtype;
  const auto rows = static_cast<std::int64_t>(reading.entry->shape[0]), width = static_cast<std::int64_t>(reading.entry->shape[1]);
  const std::vector<SlotRun> runs = slot_runs(reading.slot);
  std::vector<float> floats;
  std::vector<std::uint16_t> halves;
  reader.each_piece(
      0, static_cast<std::uint64_t>(rows * width), static_cast<std::uint64_t>(width),
      [&](std::uint64_t at, std::span<const std::byte> piece) {
        const std::int64_t first_row = static_cast<std::int64_t>(at) / width;
        const std::int64_t n = static_cast<std::int64_t>(piece.size() / reader.element_bytes());
        const bool is_wide = reading.type_of(reading.slot.parts.front()) == FloatType::kFloat32;
        if (is_wide) {
          floats.resize(static_cast<std::size_t>(n));
          to_floats(dtype, piece, floats);
        } else {
          halves.resize(static_cast<std::size_t>(n));
          to_bits(piece, halves.data());
        }
        for (const SlotRun& run : runs) {
          Tensor& tensor = *reading.slot.parts[run.part].tensor;
          const std::int64_t to = run.part_begin * rows + first_row;
          if (is_wide) {
            transpose<float>({floats.data() + run.begin, width, tensor.data() + to, rows}, n / width, run.n);
          } else {
            transpose<std::uint16_t>({halves.data() + run.begin, width, tensor.bits().data() + to, rows}, n / width, run.n);
          }
        }
      });
}

/// Bit by bit, so that a NaN equals itself.
void require_same(const SlotReading& reading, PieceReader& reader) {
  const TensorPart& part = reading.slot.parts.front();
  const auto cols = static_cast<std::size_t>(cols_in(part));
  std::vector<float> theirs, ours(cols);
  reader.each_piece(
      0, static_cast<std::uint64_t>(part.tensor->size()), cols, [&](std::uint64_t at, std::span<const std::byte> piece) {
        theirs.resize(piece.size() / static_cast<std::size_t>(reader.element_bytes()));
        to_floats(reading.entry->dtype, piece, theirs);
        for (std::size_t i = 0; i < theirs.size(); i += cols) {
          part.tensor->read_row((static_cast<std::int64_t>(at) + static_cast<std::int64_t>(i)) / static_cast<std::int64_t>(cols),
                                ours.data());
          if (std::memcmp(ours.data(), theirs.data() + i, cols * sizeof(float)) != 0)
            throw Error(shown_path(reading.file->path()) + ": " + reading.slot.name +
                        " differs from the tensor that both stacks share here: embeddings of their own are not supported");
        }
      });
}

void require_zeros(const SlotReading& reading, PieceReader& reader) {
  std::vector<float> values;
  const std::uint64_t n = (reading.entry->end - reading.entry->begin) / reader.element_bytes();
  reader.each_piece(0, n, 1, [&](std::uint64_t, std::span<const std::byte> piece) {
    values.resize(piece.size() / static_cast<std::size_t>(reader.element_bytes()));
    to_floats(reading.entry->dtype, piece, values);
    if (std::ranges::any_of(values, [](float value) { return value != 0; }))
      throw Error(shown_path(reading.file->path()) + ": " + reading.slot.name +
                  " is not zero, but a model without MLPs has no place for it");
  });
}

void read_unless_zero(const SlotReading& reading, PieceReader& reader) {
  Tensor values(std::vector<std::int64_t>(reading.entry->shape.begin(), reading.entry->shape.end()), FloatType::kFloat32);
  reader.each_piece(0, static_cast<std::uint64_t>(values.size()), 1, [&](std::uint64_t at, std::span<const std::byte> piece) {
    place(reading.entry->dtype, piece, values, static_cast<std::int64_t>(at));
  });
  const bool is_zero = std::ranges::all_of(values.span(), [](float value) { return value == 0; });
  *reading.slot.parts.front().tensor = is_zero ? Tensor() : std::move(values);
}

}  // namespace

FloatType SlotReading::type_of(const TensorPart& part) const {
  const bool is_wide = kept == KeptType::kFloat32 || part.shape.size() < 2 || slot.layout == SlotLayout::kOneLess;
  return is_wide ? FloatType::kFloat32 : stored_type(entry->dtype);
}

std::uint64_t count_non_finite(DType dtype, std::span<const std::byte> bytes) {
  if (std::endian::native == std::endian::little && dtype == DType::kF32)
    return count_full_exponents<std::uint32_t>(bytes, 0x7F800000);
  if (std::endian::native == std::endian::little && dtype == DType::kF16) return count_full_exponents<std::uint16_t>(bytes, 0x7C00);
  if (std::endian::native == std::endian::little && dtype == DType::kBF16)
    return count_full_exponents<std::uint16_t>(bytes, 0x7F80);
  const std::size_t width = static_cast<std::size_t>(dtype_bits(dtype)) / 8;
  std::uint64_t n = 0;
  for (std::size_t i = 0; i + width <= bytes.size(); i += width) {
    float value = 0;  // a double that becomes infinite counts
    to_floats(dtype, bytes.subspan(i, width), {&value, 1});
    n += std::isfinite(value) ? 0 : 1;
  }
  return n;
}

std::uint64_t count_non_finite(const StoredTensor& tensor, const ReadWatch& watch) {
  const SlotReading reading{.file = tensor.file, .entry = tensor.entry, .slot = {}};
  PieceReader reader(reading, watch);
  reader.each_piece(0, (tensor.entry->end - tensor.entry->begin) / reader.element_bytes(), 1, [](auto, auto) {});
  return reader.n_non_finite();
}

std::uint64_t read_slot(const SlotReading& reading, const ReadWatch& watch) {
  const TensorSlot& slot = reading.slot;
  PieceReader reader(reading, watch);
  switch (slot.layout) {
    case SlotLayout::kZeros:
      require_zeros(reading, reader);
      return reader.n_non_finite();
    case SlotLayout::kSame:
      require_same(reading, reader);
      return reader.n_non_finite();
    case SlotLayout::kNoneIfZero:
      read_unless_zero(reading, reader);
      return reader.n_non_finite();
    default:
      break;
  }
  for (const TensorPart& part : slot.parts) {
    *part.tensor = Tensor(part.shape, reading.type_of(part));
    if (part.tensor->empty()) *part.tensor = Tensor();  // a model without MLPs has no such tensor
  }
  if (slot.layout == SlotLayout::kTransposed) {
    read_transposed(reading, reader);
  } else {
    read_stacked(reading, reader);
  }
  if (slot.layout == SlotLayout::kOneLess)
    for (const TensorPart& part : slot.parts)
      for (float& value : part.tensor->span())
        value += 1;
  return reader.n_non_finite();
}

}  // namespace headroom

#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "core/formats/numeric_array.h"

namespace headroom {

/// What the header of an .npy file says.
struct NpyHeader {
  enum class Order { kRowMajor, kFortran } order = Order::kRowMajor;
  /// Numbers; or texts of a fixed width, as numpy's 'U' (four bytes a character) and 'S' (one): lists of tokens are such.
  enum class Content { kNumbers, kUtf32, kBytes } content = Content::kNumbers;
  NumberFormat format;          ///< of a number, or of one character of kUtf32
  std::size_t text_length = 0;  ///< characters of each text
  std::vector<std::int64_t> shape;
  std::uint64_t data_begin = 0;  ///< bytes after the array's beginning

  std::uint64_t item_bytes() const { return content == Content::kNumbers ? format.bytes : format.bytes * text_length; }
};

/// Headers are texts of a line; numpy's own are below 200 bytes.
inline constexpr std::uint64_t kMaxNpyHeaderBytes = 65536;

/// The header of an array of `size` bytes. Nothing in it is evaluated: it is a dictionary of three literals and is read as such.
/// Errors  Error that begins with `where`: no .npy file, a version after 3.0, object arrays (pickles), structured types, a length that is not
///         what the shape needs.
/// Source  numpy's format, versions 1.0 to 3.0.
NpyHeader read_npy_header(const ByteSource& bytes, std::uint64_t size, const std::string& where);
/// The same of a header's dictionary alone, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }".
NpyHeader parse_npy_dictionary(std::string_view text, const std::string& where);

/// An array of numbers or of texts, read from what `read_npy_header` found.
struct NpyArray {
  NpyHeader header;
  std::string name;
  std::shared_ptr<const ByteSource> bytes;  ///< of the values, in the file's own order
  /// Errors  Error when these are texts, or the array is in Fortran order and takes more than kMaxHeldBytes.
  NumericArray numbers() const;
  /// Row-major, as UTF-8; what is no code point becomes U+FFFD. Errors  Error when these are numbers or more than `most`.
  std::vector<std::string> texts(std::int64_t most) const;
};
/// Errors  as read_npy_header.
NpyArray open_npy(std::shared_ptr<const ByteSource> bytes, std::uint64_t size, const std::string& name, const std::string& where);

}  // namespace headroom

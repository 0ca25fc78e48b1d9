#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace headroom {

inline constexpr std::uint64_t kMaxPlainTextBytes = 64u << 20;

/// A text file as UTF-8: a byte order mark is taken off, line ends become '\n'.
/// Errors  Error with one sentence: missing, a folder, unreadable, larger than kMaxPlainTextBytes, nothing but white space, UTF-16 or
///         UTF-32, a NUL, or a byte that is no UTF-8, with its place.
std::string read_plain_text(const std::filesystem::path& path);

/// The same of bytes at hand; `name` begins each sentence.
std::string plain_text(std::string bytes, const std::string& name);

}  // namespace headroom

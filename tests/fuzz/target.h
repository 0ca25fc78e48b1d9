#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

namespace headroom::fuzz {

// One parser that is fed any bytes. Under the preset `fuzz` each target is a libFuzzer program of its own; in an ordinary build all of them
// are in one test, which feeds them the files of corpus/NAME.

/// Must neither throw nor crash, and returns whether the bytes were accepted.
using Feed = bool (*)(std::string_view bytes);

struct Target {
  const char* name = "";
  Feed feed = nullptr;
};
/// Every target of this program, by name.
std::vector<Target>& targets();

struct Registration {
  Registration(const char* name, Feed feed) { targets().push_back({name, feed}); }
};

/// A file of these bytes, for readers that take a path: the same one each time, in memory. `name` differs for files that are held at once.
const std::filesystem::path& file_of(std::string_view bytes, int number = 0);

/// Calls body and answers whether it was accepted: an Error of one non-empty line is a refusal, anything else ends the program.
template <typename Body>
bool accepts(const Body& body);

}  // namespace headroom::fuzz

/// Defines the target `NAME`; its body gets `std::string_view bytes` and answers with a bool.
#ifdef HEADROOM_FUZZ
#define HEADROOM_FUZZ_TARGET(NAME)                                                    \
  static bool feed_##NAME(std::string_view bytes);                                    \
  extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) { \
    feed_##NAME({reinterpret_cast<const char*>(data), size});                         \
    return 0;                                                                         \
  }                                                                                   \
  static bool feed_##NAME(std::string_view bytes)
#else
#define HEADROOM_FUZZ_TARGET(NAME)                                                   \
  static bool feed_##NAME(std::string_view bytes);                                   \
  static const headroom::fuzz::Registration registration_##NAME(#NAME, feed_##NAME); \
  static bool feed_##NAME(std::string_view bytes)
#endif

#include "core/tensor/error.h"

template <typename Body>
bool headroom::fuzz::accepts(const Body& body) {
  try {
    body();
    return true;
  } catch (const Error& error) {
    // The promise to whoever opens a bad file: one clear sentence.
    const std::string_view what = error.what();
    if (what.empty() || what.find('\n') != std::string_view::npos) __builtin_trap();
    return false;
  }
}

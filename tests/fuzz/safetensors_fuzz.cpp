#include "core/formats/safetensors.h"
#include "tests/fuzz/target.h"

using namespace headroom;

/// A whole file; every tensor that it lists is read.
HEADROOM_FUZZ_TARGET(safetensors) {
  return fuzz::accepts([&] {
    const SafetensorsFile file(fuzz::file_of(bytes));
    for (const TensorEntry& entry : file.tensors()) {
      fuzz::accepts([&] {
        if (static_cast<std::uint64_t>(file.read_float(entry).size()) > entry.end - entry.begin) __builtin_trap();
      });
      fuzz::accepts([&] {
        if (file.read_integers(entry).size() > entry.end - entry.begin) __builtin_trap();
      });
    }
  });
}

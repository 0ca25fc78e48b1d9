#include "core/formats/capture_file.h"
#include "core/formats/npy.h"
#include "tests/fuzz/target.h"

using namespace headroom;

/// The dictionary of a header, and the bytes as a whole .npy file.
HEADROOM_FUZZ_TARGET(npy) {
  fuzz::accepts([&] { parse_npy_dictionary(bytes, "x.npy"); });
  return fuzz::accepts([&] { open_capture_file(fuzz::file_of(bytes)); });
}

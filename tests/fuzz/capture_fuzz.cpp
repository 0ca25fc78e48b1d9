#include "core/formats/capture.h"
#include "tests/fuzz/target.h"

using namespace headroom;

/// A capture of any of its formats, up to what its first layer says of one row.
HEADROOM_FUZZ_TARGET(capture) {
  return fuzz::accepts([&] {
    const Capture capture(fuzz::file_of(bytes));
    const CaptureFacts& facts = capture.facts();
    for (const AttentionStack stack : facts.stacks) {
      for (const std::int64_t entry : {std::int64_t{0}, facts.n_entries - 1}) {
        fuzz::accepts([&] {
          const CapturePass pass = capture.read({stack, entry});
          if (pass.report.summary().empty()) __builtin_trap();
          if (pass.trace->ids.size() != pass.tokens.size()) __builtin_trap();
        });
      }
    }
  });
}

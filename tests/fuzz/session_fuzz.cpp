#include "core/session/session_json.h"
#include "tests/fuzz/target.h"

using namespace headroom;

/// A saved session; what is accepted must come back the same from what it is saved as.
HEADROOM_FUZZ_TARGET(session) {
  return fuzz::accepts([&] {
    const ParsedSession parsed = session_from_json(bytes);
    if (session_from_json(session_to_json(parsed.session)).session != parsed.session) __builtin_trap();
  });
}

#include "core/session/shared_text.h"

namespace headroom {

const std::string& SharedText::no_text() {
  static const std::string empty;
  return empty;
}

}  // namespace headroom

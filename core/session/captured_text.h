#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace headroom {

/// What a capture says of the text that is shown, beside its attention.
struct CapturedText {
  std::int64_t n_entries = 1;        ///< texts that the capture holds; Compute::batch_entry is one of them
  std::string text;                  ///< as the capture has it; empty: it has tokens alone
  std::string model, tool;           ///< that made it; empty: it does not say
  bool knows_d_head = false;         ///< d_k is said by q, or by the file
  std::int64_t bytes = 0;            ///< of the file
  std::string summary;               ///< how many rows were looked at, and what was found: one sentence
  std::vector<std::string> notices;  ///< how it was read and what is wrong with it, one sentence each
};

}  // namespace headroom

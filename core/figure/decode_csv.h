#pragma once

#include <string>

#include "core/session/decode_requests.h"

namespace headroom {

// The numbers of the Decode stage as comma-separated values: a header with the units, a line for each step or point, then those of the time
// over position in a table of its own (an empty line between). What was not measured stays empty.

std::string decode_csv(const Decoded& decoded, const DecodedGrowth* growth);
std::string batch_csv(const Batched& batched);
std::string quality_csv(const Quality& quality);

}  // namespace headroom

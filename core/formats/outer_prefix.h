#pragma once

#include <string>

#include "core/formats/shards.h"
#include "core/model/params.h"

namespace headroom {

/// What stands before the family's own names where a model was saved as a part of another ("module.", "language_model."): whatever the one
/// tensor has that ends like the embedding. Mostly nothing.
std::string outer_prefix(const WeightFiles& files, const ModelConfig& config);

}  // namespace headroom

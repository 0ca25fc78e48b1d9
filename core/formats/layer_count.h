#pragma once

#include <string>

#include "core/formats/shards.h"
#include "core/model/params.h"

namespace headroom {

/// Brings a configuration of one stack to the layers that its files hold, where that is another number: the first layers of a model alone, or
/// a configuration of another size. What such a stack would predict is not what was trained, so it predicts nothing.
/// Returns  One sentence that says both numbers; empty where they agree, of an encoder-decoder, and where the layers found are no unbroken
///          run from 0 on or their windows are not known: plan_weights then says what is missing or too much.
std::string settle_layers(const WeightFiles& files, ModelConfig& config);

}  // namespace headroom

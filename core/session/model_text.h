#pragma once

#include <string>

#include "core/session/session.h"

namespace headroom {

/// What a model is, in one sentence from its shape alone: how it reads, its positions, its layers, heads and vocabulary.
std::string model_sentence(const TrainedShape& shape);

/// The recipe that made a model that comes with the program: "grammar-base" -> "bundled-base". Of any other name no recipe's.
std::string bundled_recipe_name(const std::string& model);

}  // namespace headroom

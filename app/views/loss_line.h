#pragma once

#include <string>

#include "app/views/context.h"

namespace headroom {

/// A dim label at the left and a number at the right, on one line.
void label_and_number(const Frame& frame, const char* label, const std::string& number, Color color, const char* tip);

/// "loss  1.661 → 1.854 nats +0.7 %": held-out loss of the model as opened and as it stands now, or that it is being measured.
/// `section` tells lines in several places apart.
void loss_line(const Frame& frame, const char* section);

/// Whether the trained model was sliced, pooled or pruned: then training on heals it.
bool is_changed_model(const Compute& compute);
/// "heal it: train it on", which opens the Train stage with this model; nothing where there is nothing to heal.
void heal_offer(const Frame& frame, const char* name);

}  // namespace headroom

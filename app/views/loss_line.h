#pragma once

#include <string>

#include "app/views/context.h"

namespace headroom {

/// A dim label at the left and a number at the right, on one line.
void label_and_number(const Frame& frame, const char* label, const std::string& number, Color color, const char* tip);

/// "loss  1.661 → 1.854 nats +0.7 %": held-out loss of the model as opened and as it stands now, or that it is being measured.
/// `section` tells lines in several places apart.
void loss_line(const Frame& frame, const char* section);

}  // namespace headroom

#include "core/figure/stored_cell.h"

#include <cmath>

#include "core/analysis/tile.h"
#include "core/figure/number_text.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// "0.98, without 2 cells that are NaN"
std::string sum_text(const std::vector<float>& row, const ForwardTrace& trace, const CellRef& cell) {
  double sum = 0;
  std::int64_t n_broken = 0;
  const Mask& mask = trace.layers[static_cast<std::size_t>(cell.head.layer)].mask;
  for (std::size_t j = 0; j < row.size(); ++j) {
    if (!std::isnan(row[j])) {
      sum += static_cast<double>(row[j]);
    } else if (is_visible(mask, 0, cell.query, static_cast<std::int64_t>(j))) {
      ++n_broken;
    }
  }
  std::string text = fixed(sum, 4);
  if (n_broken > 0) text += ", without " + std::to_string(n_broken) + (n_broken == 1 ? " cell that is NaN" : " cells that are NaN");
  return text;
}

}  // namespace

bool is_stored(const Snapshot& snapshot, std::int64_t layer) {
  if (snapshot.trace == nullptr || layer < 0 || layer >= std::ssize(snapshot.trace->layers)) return false;
  return snapshot.trace->layers[static_cast<std::size_t>(layer)].stored != nullptr;
}

double draw_stored_cell(Canvas& canvas, const Rect& area, const CellRef& cell) {
  const ForwardTrace& trace = *canvas.input().snapshot->trace;
  const StoredAttention& stored = *trace.layers[static_cast<std::size_t>(cell.head.layer)].stored;
  double y = area.y;
  const auto say = [&](const std::string& text, const TextStyle& style) {
    y += canvas.paragraph({area.x, y, area.w, 0}, text, style, 4) + 4;
  };
  try {
    const Cell found = evaluate_cell(trace, cell.head.layer, cell.head.head, cell.query, cell.key);
    if (!found.is_visible) {
      say("Masked: this query may not see this key.", canvas.body());
    } else if (std::isnan(found.probability)) {
      say("The capture holds NaN here: not a number.", canvas.body());
    } else {
      say("Probability " + probability_text(found.probability) +
              (stored.holds_scores() ? ", the softmax of the captured score " + fixed(found.score, 3) + " nats."
                                     : ", as the capture has it."),
          canvas.body());
    }
    say("The row sums to " + sum_text(evaluate_row(trace, cell.head.layer, cell.head.head, cell.query), trace, cell) + ".",
        canvas.small());
    say("It was computed elsewhere: q and k are not at hand, so there is no q·k to write out.", canvas.small());
  } catch (const Error& error) {
    say(error.what(), canvas.small());  // the file went, or cannot be read any more
  }
  return y - area.y;
}

}  // namespace headroom

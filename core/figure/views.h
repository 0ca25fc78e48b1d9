#pragma once

#include "core/figure/figure.h"
#include "core/session/speed.h"

namespace headroom {

/// What every figure is made from. The list of all figures is below; each has a file of its own, named after it.
struct FigureInput {
  const Session& session;
  std::shared_ptr<const Snapshot> snapshot;  ///< may be null: the figure says what is awaited
  Size size;                                 ///< logical pixels
  const Theme& theme;
  const TextMeasurer& measurer;
  /// What the pointer is over, for live emphasis; unset in exports.
  std::optional<std::int64_t> hovered_query, hovered_key;
};

Figure heads_figure(const FigureInput& input);       ///< every layer × head
Figure head_figure(const FigureInput& input);        ///< the chosen head, large; heatmap or arcs, with the chosen cell's arithmetic
Figure row_figure(const FigureInput& input);         ///< the chosen query's probabilities over all keys
Figure token_figure(const FigureInput& input);       ///< the chosen token's way through the chosen layer
Figure kv_figure(const FigureInput& input);          ///< KV cache: formula, MHA / now / MQA, by layer
Figure timing_figure(const FigureInput& input);      ///< stages of the last run, CPU beside GPU
Figure prediction_figure(const FigureInput& input);  ///< next word after the chosen token
Figure head_card_figure(const FigureInput& input);   ///< inspector: the chosen head small, with its measured patterns
Figure cell_figure(const FigureInput& input);  ///< inspector: q·k by dimension, scale, mask, exponential, sum: numbers that add up

/// History of whole-pass times for timing_figure's line, newest last; kept by the caller.
struct TimingHistory {
  std::vector<double> cpu_ms, gpu_ms;
};
Figure timing_figure(const FigureInput& input, const TimingHistory& history);

/// The Speed stage: all its parts or the chosen one, as view.speed_section says; then each part as a picture of its own.
Figure speed_figure(const FigureInput& input, const SpeedState& state);
Figure ladder_figure(const FigureInput& input, const SpeedState& state);    ///< the same layer computed five ways
Figure roofline_figure(const FigureInput& input, const SpeedState& state);  ///< kernels under the machine's limits
Figure growth_figure(const FigureInput& input, const SpeedState& state);    ///< time and memory over n
Figure devices_figure(const FigureInput& input, const SpeedState& state);   ///< CPU, GPU, and every backend

}  // namespace headroom

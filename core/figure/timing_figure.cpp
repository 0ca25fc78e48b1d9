#include <algorithm>
#include <cmath>
#include <set>

#include "core/cost/work.h"
#include "core/figure/canvas.h"
#include "core/figure/number_text.h"

namespace headroom {
namespace {

constexpr double kBarHeight = 20;

/// What the bars show: measured times, or (where nothing was timed) the computed work.
enum class Amount { kTime, kWork };

bool has_times(const Snapshot& snapshot) { return !snapshot.cpu.stages.empty() || (snapshot.gpu && !snapshot.gpu->stages.empty()); }

std::string flops_text(double flops) {
  if (flops >= 1e12) return fixed(flops / 1e12, 2) + " TFLOP";
  if (flops >= 1e9) return fixed(flops / 1e9, 2) + " GFLOP";
  return fixed(flops / 1e6, 2) + " MFLOP";
}

PassShape shape_of(const Snapshot& snapshot) {
  PassShape shape{.model = snapshot.config, .n_heads = {}, .n_kv_heads = snapshot.n_kv_heads_left, .seq = {}, .mask = {}};
  for (const LayerTrace& layer : snapshot.trace->layers)
    shape.n_heads.push_back(static_cast<std::int64_t>(layer.heads.size()));
  shape.seq = static_cast<std::int64_t>(snapshot.seq());
  shape.mask = snapshot.trace->mask;
  return shape;
}

bool has_first_layer_only(const Snapshot& snapshot) { return snapshot.is_long && snapshot.trace->output.empty(); }

/// Of a long text's first layer: q and k of each different token, turned to every place where it stands.
std::vector<StageWork> first_layer_work(const Snapshot& snapshot) {
  const LayerTrace& layer = snapshot.trace->layers.front();
  const std::set<std::int32_t> different(snapshot.trace->ids.begin(), snapshot.trace->ids.end());
  const auto n = static_cast<double>(snapshot.seq()), n_different = static_cast<double>(different.size());
  const auto d = static_cast<double>(snapshot.config.shape.d_model);
  const auto width = static_cast<double>(layer.attention.q.dim(1) + layer.attention.k.dim(1));
  // Learned positions make each place of a token differ, so none is projected once for all; such a text is as long as they are at most.
  const bool is_rotary = snapshot.config.positions == PositionKind::kRotary;
  const double rows = is_rotary ? n_different : n, norm = snapshot.config.norm == NormKind::kRms ? 4 : 7;
  return {{"norm", norm * rows * d}, {"q k v", 2 * rows * d * width}, {"rotary", is_rotary ? 3 * n * width : 0}};
}

bool is_translation(const Snapshot& snapshot) { return snapshot.compute.trained.kind == ModelKind::kEncoderDecoder; }

/// Of cross-attention: queries of one text, keys and values of another.
std::vector<StageWork> cross_work(const Snapshot& snapshot) {
  const auto n_q = static_cast<double>(snapshot.seq()), n_k = static_cast<double>(snapshot.keys().size());
  const auto d = static_cast<double>(snapshot.config.shape.d_model);
  double qkv = 0, attention = 0, w_o = 0;
  for (const LayerTrace& layer : snapshot.trace->layers) {
    const auto width = static_cast<double>(layer.attention.q.dim(1)), kv_width = static_cast<double>(layer.attention.k.dim(1));
    qkv += 2 * d * (n_q * width + 2 * n_k * kv_width);
    attention += 4 * width * n_q * n_k;
    w_o += 2 * n_q * d * width;
  }
  return {{"q k v", qkv}, {"attention", attention}, {"W_O", w_o}};
}

std::vector<StageWork> work_of(const Snapshot& snapshot) {
  if (has_first_layer_only(snapshot)) return first_layer_work(snapshot);
  return snapshot.key_tokens.empty() ? pass_work(shape_of(snapshot)) : cross_work(snapshot);
}

class TimingPicture {
 public:
  TimingPicture(const FigureInput& input, const TimingHistory& history)
      : input_(input),
        history_(history),
        snapshot_(*input.snapshot),
        canvas_(input, "Time of the last pass, by stage"),
        amount_(has_times(snapshot_) ? Amount::kTime : Amount::kWork) {}

  Figure draw() {
    const bool is_panel = is_panel_size(input_.size);
    const Rect area = panel_area(input_.size);
    if (amount_ == Amount::kWork) {
      add_work();
    } else {
      if (!snapshot_.cpu.stages.empty()) add_timing("CPU", snapshot_.cpu);
      if (snapshot_.gpu && !snapshot_.gpu->stages.empty()) add_timing("GPU", *snapshot_.gpu);
    }
    // The button that measures the other device stands in the corner.
    const double corner = passes_.size() < 2 && is_panel && !snapshot_.is_long ? 136 : 0;
    const std::string what = amount_ == Amount::kTime ? "last run, measured, " : "work by stage, computed, ";
    const std::string n = count_text(static_cast<std::int64_t>(snapshot_.seq()));
    const std::string of = !is_translation(snapshot_) ? n + (n == "1" ? " token" : " tokens")
                           : amount_ == Amount::kTime ? "encoder and decoder together"
                                                      : "of this stack alone";
    double y = area.y + canvas_.panel_title({area.x, area.y}, "TIMING", what + of, std::max(60.0, area.w - corner)) + 8;
    const double bottom = area.y + area.h;
    double slowest = 0;
    for (const Pass& pass : passes_)
      slowest = std::max(slowest, pass.total);
    const double keys = bottom - y >= static_cast<double>(passes_.size()) * (kSmallLine + kBarHeight + 8) + kSmallLine + 36 ? 1 : 0;
    for (const Pass& pass : passes_) {
      if (bottom - y < kSmallLine + kBarHeight) break;
      y += draw_pass(pass, {area.x, y, area.w, 0}, slowest) + 8;
    }
    if (keys > 0) y += draw_key({area.x, y, area.w, 0}) + 4;
    if (passes_.size() < 2 && bottom - y >= kSmallLine + 44)
      y += canvas_.paragraph({area.x, y, area.w, 0}, hint(), canvas_.faint(), 1) + 4;
    draw_history({area.x, y, area.w, std::min(bottom - y, 240.0)});
    return canvas_.take();
  }

 private:
  struct Part {
    std::string stage;
    double amount = 0;  ///< ms, or FLOPs
  };
  struct Pass {
    std::string device, name;
    std::vector<Part> parts;
    double total = 0;
  };

  void add_timing(const std::string& device, const PassTiming& timing) {
    Pass pass{device, timing.backend.empty() ? device : timing.backend, {}, 0};
    for (const StageTime& stage : timing.stages) {
      pass.parts.push_back({stage.stage, stage.ms});
      pass.total += stage.ms;
    }
    pass.total = std::max(pass.total, timing.total_ms);
    passes_.push_back(std::move(pass));
  }

  void add_work() {
    Pass pass{"work", "a multiply-add counts two", {}, 0};
    for (const StageWork& work : work_of(snapshot_)) {
      pass.parts.push_back({work.stage, work.flops});
      pass.total += work.flops;
    }
    passes_.push_back(std::move(pass));
  }

  const char* hint() const {
    if (amount_ == Amount::kWork) return "Nothing was timed for this picture; the open window shows measured times.";
    if (is_translation(snapshot_)) return "An encoder-decoder runs on the processor.";
    if (has_first_layer_only(snapshot_)) return "Of a long text only q and k of the first layer are computed at once.";
    if (snapshot_.is_long) return "A long text is computed by one device.";
    return snapshot_.ran_on_gpu ? "“Measure CPU too” times the same pass on the processor."
                                : "“Measure GPU too” times the same pass on the graphics device.";
  }

  std::string amount_text(double amount) const { return amount_ == Amount::kTime ? ms_text(amount) : flops_text(amount); }

  /// "1.86 ms  5,376 tokens/s"
  std::string total_text(const Pass& pass) const {
    const auto n = static_cast<double>(snapshot_.seq());
    if (amount_ == Amount::kWork) return flops_text(pass.total) + "  " + flops_text(pass.total / std::max(n, 1.0)) + " a token";
    if (is_translation(snapshot_)) return ms_text(pass.total);
    return ms_text(pass.total) + "  " + count_text(std::llround(pass.total > 0 ? n / pass.total * 1000 : 0)) + " tokens/s";
  }

  Color color_of(const std::string& stage) const {
    const Theme& theme = canvas_.theme();
    if (stage == "q k v") return theme.q;
    if (stage == "attention") return theme.attention;
    if (stage == "W_O") return theme.v;
    if (stage == "MLP") return theme.mlp;
    return theme.other;
  }

  /// "CPU flash, AVX-512, 2 threads ......... 1.86 ms  5,376 tokens/s", and the bar of its stages.
  double draw_pass(const Pass& pass, const Rect& area, double slowest) {
    TextStyle number = canvas_.mono(), label = canvas_.small();
    number.anchor = Anchor::kRight;
    const double middle = area.y + kSmallLine / 2;
    const double used = canvas_.text({area.x + area.w, middle}, total_text(pass), number, area.w);
    if (area.w - used > 40) canvas_.text({area.x, middle}, pass.name, label, area.w - used - 16);

    const double y = area.y + kSmallLine + 4;
    double x = area.x;
    const double full = slowest > 0 ? area.w / slowest : 0;
    for (const Part& stage : pass.parts) {
      const double w = stage.amount * full;
      if (w <= 0) continue;
      const Color color = color_of(stage.stage);
      const double gap = w >= 4 ? 1 : 0;
      canvas_.fill({x, y, w - gap, kBarHeight}, color, w >= 8 ? 2 : 0);
      TextStyle inner = canvas_.small();
      inner.color = text_over(canvas_.theme(), color);
      if (canvas_.width(stage.stage, inner) + 12 <= w) canvas_.text({x + 6, y + kBarHeight / 2}, stage.stage, inner);
      canvas_.hit({.shape = {x, y, std::max(w, 1.0), kBarHeight},
                   .tooltip = stage.stage + "\n" + amount_text(stage.amount) +
                              (amount_ == Amount::kTime ? ", measured, " : ", computed, ") +
                              percent_text(pass.total > 0 ? stage.amount / pass.total : 0) + " of the pass",
                   .click = {},
                   .double_click = {},
                   .ctrl_click = {},
                   .name = pass.device + " " + stage.stage});
      x += w;
    }
    const double rest = area.x + pass.total * full - x;  // time between the stages
    if (rest >= 1) canvas_.fill({x, y, rest, kBarHeight}, mix(canvas_.theme().panel, canvas_.theme().border, 0.6), 2);
    return kSmallLine + 4 + kBarHeight;
  }

  /// Names and times of the stages, as many as fit into one line, the longest first.
  double draw_key(const Rect& area) {
    if (passes_.empty()) return 0;
    std::vector<Part> stages = passes_.front().parts;
    std::stable_sort(stages.begin(), stages.end(), [](const Part& a, const Part& b) { return a.amount > b.amount; });
    double x = area.x;
    for (const Part& stage : stages) {
      const std::string text = stage.stage + " " + amount_text(stage.amount);
      const double w = 12 + canvas_.width(text, canvas_.small());
      if (stage.amount <= 0 || x + w > area.x + area.w) break;
      canvas_.fill({x, area.y + kSmallLine / 2 - 4, 8, 8}, color_of(stage.stage), 2);
      canvas_.text({x + 12, area.y + kSmallLine / 2}, text, canvas_.small());
      x += w + 14;
    }
    return kSmallLine;
  }

  /// Whole passes, newest at the right.
  void draw_history(const Rect& area) {
    const std::size_t n = std::max(history_.cpu_ms.size(), history_.gpu_ms.size());
    if (n < 2 || area.h < 36) return;
    const std::size_t most = 120, shown = std::min(n, most);
    double largest = 0;
    for (const auto* values : {&history_.cpu_ms, &history_.gpu_ms}) {
      const std::size_t first = values->size() > shown ? values->size() - shown : 0;
      for (std::size_t i = first; i < values->size(); ++i)
        largest = std::max(largest, (*values)[i]);
    }
    if (!(largest > 0)) return;
    TextStyle label = canvas_.faint();
    canvas_.text({area.x, area.y + kSmallLine / 2}, "history, " + std::to_string(shown) + " runs", label);
    label.anchor = Anchor::kRight;
    canvas_.text({area.x + area.w, area.y + kSmallLine / 2}, "largest " + ms_text(largest), label);
    const Rect plot{area.x, area.y + kSmallLine + 2, area.w, area.h - kSmallLine - 4};
    canvas_.line({plot.x, plot.y + plot.h}, {plot.x + plot.w, plot.y + plot.h}, canvas_.theme().border);
    draw_line(history_.cpu_ms, plot, largest);
    draw_line(history_.gpu_ms, plot, largest);
  }

  void draw_line(const std::vector<double>& values, const Rect& plot, double largest) {
    const std::size_t shown = std::min<std::size_t>(values.size(), 120);
    if (shown < 2) return;
    Polyline line{.points = {},
                  .color = &values == &history_.cpu_ms ? canvas_.theme().accent : canvas_.theme().attention,
                  .width = 1.5,
                  .is_closed = false,
                  .fill = {}};
    for (std::size_t i = 0; i < shown; ++i) {
      const double value = values[values.size() - shown + i];
      const double x = plot.x + plot.w * static_cast<double>(i) / static_cast<double>(shown - 1);
      line.points.push_back({x, plot.y + plot.h - 1 - std::clamp(value / largest, 0.0, 1.0) * (plot.h - 2)});
    }
    canvas_.add(std::move(line));
  }

  const FigureInput& input_;
  const TimingHistory& history_;
  const Snapshot& snapshot_;
  Canvas canvas_;
  Amount amount_;
  std::vector<Pass> passes_;
};

}  // namespace

Figure timing_figure(const FigureInput& input, const TimingHistory& history) {
  if (input.snapshot == nullptr || (!has_times(*input.snapshot) && input.snapshot->trace == nullptr)) {
    return message_figure(input, "Time of the last pass, by stage",
                          {"No run yet", "The stages of each pass are timed here, on the CPU and on the GPU."});
  }
  if (input.snapshot->capture) {
    return message_figure(input, "Time of the last pass, by stage",
                          {"Nothing ran here", "A capture was computed elsewhere: this machine has no times of it."});
  }
  return TimingPicture(input, history).draw();
}

Figure timing_figure(const FigureInput& input) { return timing_figure(input, TimingHistory{}); }

}  // namespace headroom

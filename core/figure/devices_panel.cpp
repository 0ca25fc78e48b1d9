#include <algorithm>
#include <cmath>

#include "core/figure/log_plot.h"
#include "core/figure/number_text.h"
#include "core/figure/speed_panels.h"

namespace headroom {
namespace {

constexpr double kBar = 10;

struct DeviceBar {
  std::string name;    ///< "CPU flash, 2 threads"
  std::string detail;  ///< "182 GFLOP/s · 81 % of the FMA peak"
  std::string tooltip;
  double ms = 0;
  Color color;
};

std::string detail_of(const SpeedRow& row) {
  std::string text = gflops_text(row.gflops);
  if (row.percent_of_limit) text += " · " + percent_text(*row.percent_of_limit / 100) + " of " + row.limit;
  if (row.gbps) text += " · " + fixed(*row.gbps, 1) + " GB/s of K and V";
  return text;
}

std::string tooltip_of(const std::string& name, const SpeedRow& row) {
  std::string text = name + "\n" + ms_text(row.ms) + ", median of " + std::to_string(row.rounds) +
                     (row.rounds == 1 ? " round" : " rounds") + ", measured by the " +
                     (row.clock == "wall"  ? "wall clock"
                      : row.clock == "gpu" ? "GPU's own timestamps"
                                           : "thread's processor time");
  text += "\n" + detail_of(row);
  if (row.limit_value > 0) text += "\nlimit in the same rounds: " + fixed(row.limit_value, 1) + " " + row.limit_unit;
  return text + "\nlargest error against plain loops in double: " + compact(row.largest_error, 2);
}

class DevicesPicture {
 public:
  DevicesPicture(Canvas& canvas, const Rect& area, const SpeedState& state) : canvas_(canvas), area_(area), state_(state) {
    if (state.report && state.report->devices) devices_ = &*state.report->devices;
    if (state.report) cases_ = &state.report->cases;
    const bool is_measured = devices_ != nullptr || (cases_ != nullptr && !cases_->empty());
    const double used = draw_speed_title(
        canvas, area, {SpeedSection::kDevices, "CPU AGAINST GPU", is_measured ? "this layer's attention, measured" : ""}, state);
    area_.y += used;
    area_.h = std::max(0.0, area_.h - used);
  }

  void draw() {
    if (area_.h < 60) return;
    make_bars();
    if (bars_.empty() && sentence_.empty()) {
      draw_empty();
      return;
    }
    double y = area_.y, slowest = 0;
    for (const DeviceBar& bar : bars_)
      slowest = std::max(slowest, bar.ms);
    const double bottom = area_.y + area_.h;
    const double sentence =
        sentence_.empty() ? 0 : static_cast<double>(canvas_.wrap(sentence_, canvas_.small(), area_.w).size()) * kSmallLine + 8;
    const double wanted = kLine + kBar + kSmallLine + 14;
    const double pitch =
        std::clamp((bottom - y - sentence) / std::max(1.0, static_cast<double>(bars_.size())), kLine + 8, wanted + 12);
    for (const DeviceBar& bar : bars_) {
      if (y + std::min(pitch, kLine + 8) > bottom - sentence) break;
      draw_bar(bar, {area_.x, y, area_.w, pitch}, slowest);
      y += pitch;
    }
    if (sentence > 0 && y + sentence <= bottom) {
      canvas_.paragraph({area_.x, y + 4, area_.w, 0}, sentence_, canvas_.small(), 8);
    }
  }

 private:
  void make_bars() {
    const Theme& theme = canvas_.theme();
    if (cases_ != nullptr) {
      for (const SpeedRow& row : *cases_) {
        // What the comparison below measured itself is not said twice.
        if (devices_ != nullptr &&
            ((devices_->cpu && row.backend == devices_->cpu->backend) || (devices_->gpu && row.backend == "gl")))
          continue;
        add_row(row.backend == "gl" ? "GPU, its kernel alone" : "CPU " + row.backend, row, kernel_sign(theme, row.backend).color);
      }
    }
    if (devices_ == nullptr) return;
    if (devices_->cpu) add_row("CPU " + devices_->cpu->backend, *devices_->cpu, kernel_sign(theme, devices_->cpu->backend).color);
    if (devices_->gpu) {
      add_row("GPU, its kernel alone", *devices_->gpu, theme.gl);
      if (devices_->gpu_call_ms > 0) {
        bars_.push_back({"GPU, with upload and read back", "wall clock, measured",
                         "GPU, with upload and read back\n" + ms_text(devices_->gpu_call_ms) +
                             " by the wall clock, measured\nWhat one call costs when q, k and v come from the processor and the "
                             "output returns.",
                         devices_->gpu_call_ms, mix(theme.gl, theme.panel, 0.4)});
      }
      sentence_ = "GPU: " + devices_->gpu_name + ". ";
      sentence_ += devices_->gpu_is_software ? "This is a software renderer: it runs on the same processor." : winner_text();
    } else if (!devices_->reason.empty()) {
      sentence_ = "No GPU figure: " + devices_->reason;
    }
  }

  std::string winner_text() const {
    if (!devices_->cpu || !(devices_->gpu->ms > 0) || !(devices_->cpu->ms > 0)) return "";
    const double ratio = devices_->cpu->ms / devices_->gpu->ms;
    return ratio >= 1 ? "It is " + times_text(ratio) + " as fast as the processor here."
                      : "The processor is " + times_text(1 / ratio) + " as fast here.";
  }

  void add_row(const std::string& name, const SpeedRow& row, Color color) {
    // A software GPU's threads are the processor's own.
    std::string full = name;
    if (row.backend != "gl" && row.threads > 0)
      full += ", " + std::to_string(row.threads) + (row.threads == 1 ? " thread" : " threads");
    bars_.push_back({full, detail_of(row), tooltip_of(full, row), row.ms, color});
  }

  void draw_bar(const DeviceBar& bar, const Rect& place, double slowest) {
    TextStyle name = canvas_.body(), number = canvas_.mono();
    number.anchor = Anchor::kRight;
    const double middle = place.y + kLine / 2;
    const double used = canvas_.text({place.x + place.w, middle}, ms_text(bar.ms), number);
    canvas_.text({place.x, middle}, bar.name, name, place.w - used - 16);
    const Rect track{place.x, place.y + kLine, place.w, place.h >= kLine + kBar + 4 ? kBar : 4};
    canvas_.bar(track, slowest > 0 ? bar.ms / slowest : 0, bar.color);
    const double below = track.y + track.h + 3;
    if (below + kSmallLine <= place.y + place.h)
      canvas_.parts({place.x, below + kSmallLine / 2}, bar.detail, canvas_.small(), place.w);
    canvas_.hit({.shape = place,
                 .tooltip = bar.tooltip,
                 .click = {},
                 .double_click = {},
                 .ctrl_click = {},
                 .name = "speed device " + bar.name});
  }

  void draw_empty() {
    double y = area_.y;
    for (const char* name : {"CPU naive", "CPU flash", "GPU, its kernel alone", "GPU, with upload and read back"}) {
      if (y + kLine + 8 > area_.y + area_.h) break;
      TextStyle style = canvas_.body();
      style.color = canvas_.theme().text_dim;
      canvas_.text({area_.x, y + kLine / 2}, name, style, area_.w);
      canvas_.bar({area_.x, y + kLine, area_.w, 6}, 0, canvas_.theme().border);
      y += kLine + 18;
    }
    const char* text =
        "The same layer on every backend, beside the machine's limit; the GPU's kernel alone and with the way there and back. "
        "Where there is "
        "no GPU, the reason is said.";
    const std::size_t lines = canvas_.wrap(text, canvas_.small(), area_.w).size();
    if (y + static_cast<double>(lines) * kSmallLine <= area_.y + area_.h)
      canvas_.paragraph({area_.x, y, area_.w, 0}, text, canvas_.small(), lines);
    canvas_.hit({.shape = {area_.x, area_.y, area_.w, area_.h},
                 .tooltip = std::string("CPU against GPU\nNot measured yet. ") + text,
                 .click = {},
                 .double_click = {},
                 .ctrl_click = {},
                 .name = "speed devices"});
  }

  Canvas& canvas_;
  Rect area_;
  const SpeedState& state_;
  const DeviceComparison* devices_ = nullptr;
  const std::vector<SpeedRow>* cases_ = nullptr;
  std::vector<DeviceBar> bars_;
  std::string sentence_;
};

}  // namespace

void draw_devices(Canvas& canvas, const Rect& area, const SpeedState& state) { DevicesPicture(canvas, area, state).draw(); }

}  // namespace headroom

#include "core/figure/roofline_text.h"

#include <algorithm>
#include <cmath>

#include "core/cost/kv_cache.h"
#include "core/figure/number_text.h"
#include "core/figure/speed_panels.h"

namespace headroom {

bool is_flat(const RooflineRoof& roof) { return roof.unit == "GFLOP/s"; }

std::string roof_text(const RooflineRoof& roof) {
  return roof.name + " " + (is_flat(roof) ? gflops_text(roof.value) : fixed(roof.value, roof.value < 99.95 ? 1 : 0) + " GB/s");
}

std::string roof_tooltip(const RooflineRoof& roof) {
  std::string text = roof.name + "\n" + roof_text(roof) + ", measured";
  if (is_flat(roof)) return text + "\nNo kernel on this machine multiplies and adds faster, however little memory it needs.";
  if (roof.working_set > 0) text += " over " + bytes_text(std::llround(roof.working_set)) + " read again and again";
  return text + "\nA kernel that does x FLOP for each byte reaches at most x times as many GFLOP/s from there.";
}

std::string point_text(const RooflinePoint& point) {
  std::string text = point.kernel + "  " + gflops_text(point.gflops);
  if (!point.roof.empty()) text += " · " + percent_text(point.percent_of_roof / 100);
  return text;
}

std::string point_tooltip(const Roofline& roofline, const RooflinePoint& point) {
  std::string text = point.kernel + "\n" + gflops_text(point.gflops) + " in " + ms_text(point.ms) + ", measured";
  if (point.threads > 0) text += ", " + count_text(point.threads) + (point.threads == 1 ? " thread" : " threads");
  text += "\n" + compact(point.intensity) + " FLOP/byte: " + compact(point.flops / 1e6) + " MFLOP and " +
          bytes_text(std::llround(point.bytes)) + " moved, counted";
  if (point.roof.empty()) return text + "\nOn a device of its own: this machine's roofs do not bound it.";
  const bool is_arithmetic = std::any_of(roofline.roofs.begin(), roofline.roofs.end(),
                                         [&](const RooflineRoof& roof) { return roof.name == point.roof && is_flat(roof); });
  text += "\n" + percent_text(point.percent_of_roof / 100) + " of the " + gflops_text(point.roof_gflops) +
          " that this machine allows at this intensity";
  return text + "\nBounded by " +
         (is_arithmetic ? "how fast the machine multiplies and adds." : "how fast it reads: " + point.roof + ".");
}

}  // namespace headroom

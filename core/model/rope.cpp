#include "core/model/rope.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "core/model/forward_steps.h"

namespace headroom {
namespace {

using Kind = RopeScaling::Kind;
using Frequencies = std::vector<double>;

/// What the scalings below change: theta^(-2j / width) of pair j.
Frequencies plain_frequencies(double theta, std::int64_t width) {
  Frequencies frequencies;
  for (std::int64_t c = 0; c < width; c += 2)
    frequencies.push_back(std::pow(theta, -static_cast<double>(c) / static_cast<double>(width)));
  return frequencies;
}

/// A base so large that the longest wave fits the text, once that is longer than the model's own length.
/// Source  bloc97 and emozilla 2023, "NTK-aware scaled RoPE"; as in transformers' "dynamic".
Frequencies dynamic_frequencies(const ModelConfig& config, std::int64_t width, std::int64_t seq) {
  const auto longest = static_cast<double>(config.shape.max_positions);
  const double share = std::max(1.0, static_cast<double>(seq) / longest), factor = config.rope_scaling.factor;
  const double stretch = std::pow(factor * share - (factor - 1),
                                  static_cast<double>(width) / static_cast<double>(std::max<std::int64_t>(1, width - 2)));
  return plain_frequencies(static_cast<double>(config.rope_theta) * stretch, width);
}

/// Long waves are stretched, short ones stay, those between are mixed. Source  Llama Team 2024, arXiv:2407.21783, as in transformers.
void stretch_long_waves(const RopeScaling& scaling, double original, Frequencies& frequencies) {
  for (double& frequency : frequencies) {
    const double turns = original * frequency / (2 * std::numbers::pi);  // over the original length
    const double mix =
        std::clamp((turns - scaling.low_freq_factor) / (scaling.high_freq_factor - scaling.low_freq_factor), 0.0, 1.0);
    frequency = (1 - mix) * frequency / scaling.factor + mix * frequency;
  }
}

/// Pairs that turn often stay, those that turn seldom are stretched, a ramp over the pairs lies between.
/// Source  Peng et al. 2023, arXiv:2309.00071, section 3.2; the ramp's ends as in transformers.
void stretch_by_ramp(const ModelConfig& config, double original, std::int64_t width, Frequencies& frequencies) {
  const RopeScaling& scaling = config.rope_scaling;
  const auto pair_of_turns = [&](double turns) {
    return static_cast<double>(width) * std::log(original / (turns * 2 * std::numbers::pi)) /
           (2 * std::log(static_cast<double>(config.rope_theta)));
  };
  double low = pair_of_turns(scaling.beta_fast), high = pair_of_turns(scaling.beta_slow);
  if (scaling.truncates) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, static_cast<double>(width - 1));
  if (low == high) high += 0.001;
  for (std::size_t j = 0; j < frequencies.size(); ++j) {
    const double stretched = std::clamp((static_cast<double>(j) - low) / (high - low), 0.0, 1.0);
    frequencies[j] *= (1 - stretched) + stretched / scaling.factor;
  }
}

double yarn_magnitude(const RopeScaling& scaling) {
  if (scaling.attention_factor) return *scaling.attention_factor;
  const auto of = [&](double mscale) { return scaling.factor <= 1 ? 1.0 : 0.1 * mscale * std::log(scaling.factor) + 1; };
  return scaling.mscale && scaling.mscale_all_dim ? of(*scaling.mscale) / of(*scaling.mscale_all_dim) : of(1);
}

/// Source  Ding et al. 2024, arXiv:2402.13753; as in Phi-3.
double longrope_magnitude(const RopeScaling& scaling, double original) {
  if (scaling.attention_factor) return *scaling.attention_factor;
  return scaling.factor <= 1 ? 1 : std::sqrt(1 + std::log(scaling.factor) / std::log(original));
}

void divide(Frequencies& frequencies, const std::vector<double>& by) {
  for (std::size_t j = 0; j < frequencies.size(); ++j)
    frequencies[j] /= by[j];
}

std::int64_t original_positions(const ModelConfig& config) {
  return config.rope_scaling.original_positions > 0 ? config.rope_scaling.original_positions : config.shape.max_positions;
}

}  // namespace

std::int64_t rotary_width(const ModelConfig& config) {
  return static_cast<std::int64_t>(static_cast<double>(config.shape.d_head) * config.rotary_share);
}

std::string find_rope_problem(const ModelConfig& config) {
  if (config.positions != PositionKind::kRotary) return {};
  const std::int64_t d_head = config.shape.d_head, width = rotary_width(config);
  if (d_head % 2 != 0) return "d_k = " + std::to_string(d_head) + " is odd; rotary positions turn pairs";
  if (!(config.rotary_share > 0 && config.rotary_share <= 1) || width < 1)
    return "rotary positions turn " + std::to_string(width) + " of d_k = " + std::to_string(d_head) + " coordinates";
  const RopeScaling& scaling = config.rope_scaling;
  if (scaling.kind == Kind::kNone) return {};
  if (!(scaling.factor > 0)) return "the factor of scaled rotary positions must be above 0";
  if (original_positions(config) < 2) return "scaled rotary positions need a length of at least 2 to be scaled from";
  if (scaling.kind == Kind::kDynamic && width <= 2) return "dynamic rotary positions need heads that turn more than one pair";
  if (scaling.kind == Kind::kLlama3 && !(scaling.high_freq_factor > scaling.low_freq_factor))
    return "the high frequency factor of llama3 rotary positions must be above the low one";
  if (scaling.kind == Kind::kYarn && !(scaling.beta_fast > 0 && scaling.beta_slow > 0 && config.rope_theta > 1))
    return "yarn's beta_fast and beta_slow must be above 0 and its base above 1";
  if (scaling.kind != Kind::kLongRope) return {};
  const std::int64_t pairs = (width + 1) / 2;
  if (std::ssize(scaling.short_factors) == pairs && std::ssize(scaling.long_factors) == pairs) return {};
  return "longrope needs " + std::to_string(pairs) + " short and long factors, one for each pair that turns";
}

std::optional<Rotary> rotary_of(const ModelConfig& config, std::int64_t seq) {
  if (config.positions != PositionKind::kRotary) return std::nullopt;
  const RopeScaling& scaling = config.rope_scaling;
  const std::int64_t width = rotary_width(config);
  Rotary rotary{config.rope_theta};
  if (scaling.kind == Kind::kNone && width == config.shape.d_head) return rotary;
  rotary.dims = width + width % 2;
  rotary.frequencies = scaling.kind == Kind::kDynamic ? dynamic_frequencies(config, width, seq)
                                                      : plain_frequencies(static_cast<double>(config.rope_theta), width);
  const auto original = static_cast<double>(original_positions(config));
  switch (scaling.kind) {
    case Kind::kNone:
    case Kind::kDynamic:
      break;
    case Kind::kLinear:
      for (double& frequency : rotary.frequencies)
        frequency /= scaling.factor;
      break;
    case Kind::kLlama3:
      stretch_long_waves(scaling, original, rotary.frequencies);
      break;
    case Kind::kYarn:
      stretch_by_ramp(config, original, width, rotary.frequencies);
      rotary.magnitude = static_cast<float>(yarn_magnitude(scaling));
      break;
    case Kind::kLongRope:
      divide(rotary.frequencies, static_cast<double>(seq) > original ? scaling.long_factors : scaling.short_factors);
      rotary.magnitude = static_cast<float>(longrope_magnitude(scaling, original));
      break;
  }
  return rotary;
}

}  // namespace headroom

#include "core/figure/decode_csv.h"

#include <array>
#include <charconv>
#include <cmath>
#include <initializer_list>

#include "core/figure/figure.h"

namespace headroom {
namespace {

/// The shortest text that reads back as the same number; nothing for no number.
std::string plain(double value) {
  if (!std::isfinite(value)) return "";
  std::array<char, 32> text{};
  const auto end = std::to_chars(text.data(), text.data() + text.size(), value);
  return {text.data(), end.ptr};
}
std::string plain(std::int64_t value) { return std::to_string(value); }
/// Nothing where it was not measured.
std::string time(double ms) { return ms > 0 ? plain(ms) : ""; }

std::string quoted(const std::string& text) {
  std::string quoted = "\"";
  for (const char c : text) {
    if (c == '"') quoted += '"';
    quoted += c;
  }
  return quoted + "\"";
}

std::string line_of(std::initializer_list<std::string> cells) {
  std::string line;
  for (const std::string& cell : cells)
    line += (line.empty() ? "" : ",") + cell;
  return line + "\n";
}

std::string costs(const StepCost* cost) {
  if (cost == nullptr) return ",,,,,,";
  return plain(cost->n_rows) + "," + time(cost->ms) + "," + time(cost->attention_ms) + "," + plain(cost->flops) + "," +
         plain(cost->attention_flops) + "," + plain(cost->bytes) + "," + plain(cost->attention_bytes);
}

std::string growth_lines(const std::string& name, const DecodeGrowthSeries& series) {
  std::string text;
  for (const DecodeGrowthPoint& point : series.points)
    text += name + "," + plain(point.n) + "," + plain(point.ms) + "," + plain(point.attention_ms) + "\n";
  return text;
}

std::string batch_lines(const std::string& name, const BatchSide& side) {
  std::string text;
  for (std::size_t i = 0; i < side.steps.size(); ++i) {
    const BatchStep& step = side.steps[i];
    text += line_of({name, plain(static_cast<std::int64_t>(i)), plain(step.n_running), plain(step.n_waiting),
                     plain(step.n_finished), plain(step.n_admitted), plain(step.n_preempted), plain(step.reserved),
                     plain(step.used), plain(step.wasted()), plain(step.shared)});
  }
  return text;
}

std::string quality_line(const std::string& curve, const std::string& choice, const QualityPoint& point) {
  if (!point.problem.empty()) return curve + "," + quoted(choice) + ",,,,,,," + quoted(point.problem) + "\n";
  return line_of({curve, quoted(choice), plain(point.bytes), plain(point.share_of_full), plain(point.loss), plain(point.loss_error),
                  plain(point.changed), plain(point.kl), ""});
}

}  // namespace

std::string decode_csv(const Decoded& decoded, const DecodedGrowth* growth) {
  std::string text =
      "step,position,id,token,probability,full_cache_id,full_cache_probability,kl_nats,logit_difference,tokens_held,"
      "bytes_held,bytes_reserved,bytes_of_full_float32_cache";
  for (const char* way : {"cached", "whole"}) {
    for (const char* what : {"rows", "ms", "attention_ms", "flop", "attention_flop", "bytes", "attention_bytes"})
      text += std::string(",") + way + "_" + what;
  }
  text += "\n";
  const DecodeRun& run = *decoded.run;
  for (std::size_t i = 0; i < run.steps.size(); ++i) {
    const DecodeStep& step = *run.steps[i];
    const std::size_t at = run.prompt.size() + i;
    const std::string word = at < decoded.tokens.size() ? display_token(decoded.tokens[at]) : "";
    text += plain(static_cast<std::int64_t>(i)) + "," + plain(step.position) + "," + plain(std::int64_t{step.id}) + "," +
            quoted(word) + "," + plain(step.probability) + "," + plain(std::int64_t{step.full_id}) + "," +
            plain(step.full_probability) + "," + plain(step.kl) + "," +
            (step.logit_difference ? plain(*step.logit_difference) : "") + "," + plain(step.n_held) + "," + plain(step.bytes_held) +
            "," + plain(step.bytes_reserved) + "," + plain(step.bytes_full) + "," + costs(&step.cached) + "," +
            costs(step.whole ? &*step.whole : nullptr) + "\n";
  }
  if (growth == nullptr) return text;
  text += "\nway,tokens_before,ms,attention_ms\n";
  return text + growth_lines("cached", growth->growth->cached) + growth_lines("whole", growth->growth->whole);
}

std::string batch_csv(const Batched& batched) {
  return "way,step,running,waiting,finished,admitted,preempted,reserved_bytes,used_bytes,wasted_bytes,saved_by_sharing_bytes\n" +
         batch_lines("contiguous", batched.run->contiguous) + batch_lines("paged", batched.run->paged);
}

std::string quality_csv(const Quality& quality) {
  std::string text =
      "curve,choice,bytes_held,share_of_full,loss_nats_a_token,error_of_loss_change,changed_share,kl_nats_a_token,problem\n";
  text += quality_line("full", "all tokens in float32", quality.report->full);
  for (const QualityPoint& point : quality.report->points)
    text += quality_line(quality_curve_name(point.choice.curve), quality_choice_text(point.choice), point);
  return text;
}

}  // namespace headroom

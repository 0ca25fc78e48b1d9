#pragma once

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "core/figure/train_figures.h"
#include "core/roles/events.h"
#include "core/runs/frame.h"
#include "core/runs/report.h"

namespace headroom {

// Runs as a trainer might report them; made up, so that pictures and files of them come out the same each time.

struct MadeUpRun {
  ModelKind kind = ModelKind::kCausal;
  std::int64_t n_layers = 2, n_heads = 4;
  std::int64_t tokens = 1'320'000, planned = 3'000'000;
  int n_reports = 23;
};

/// From `low` to `high`, half way at `middle` tokens.
inline double made_up_rise(double tokens, double middle, double low, double high) {
  return low + (high - low) / (1 + std::exp(-5 * (tokens - middle) / middle));
}

inline double made_up_wobble(std::int64_t i, std::int64_t j) {
  return 0.03 * std::sin(static_cast<double>(12.9898 * (i + 1) + 78.233 * j));
}

/// How one role comes about.
struct MadeUpRole {
  const char* id;
  HeadRef head;
  double middle, high, baseline;
};

inline std::vector<MadeUpRole> made_up_roles(ModelKind kind) {
  if (kind == ModelKind::kEncoderDecoder)
    return {{"alignment", {1, 2}, 2e5, 0.93, 0.31}, {"previous", {0, 1}, 3e5, 0.62, 0}, {"encoder_next", {0, 0}, 1e5, 0.8, 0}};
  if (kind == ModelKind::kMasked)
    return {{"determiner_noun", {1, 3}, 2e5, 0.96, 0.62}, {"previous", {0, 1}, 3e5, 0.97, 0}, {"next", {1, 0}, 1e5, 0.95, 0}};
  return {{"subject", {1, 1}, 1.5e5, 0.98, 0.34}, {"pronoun", {1, 2}, 4.5e5, 1.0, 0.6}, {"predicate", {1, 1}, 7e5, 0.97, 0.51},
          {"name", {0, 0}, 2e6, 0.6, 0.19},       {"previous", {0, 3}, 2.5e5, 0.52, 0}, {"determiner", {1, 3}, 1e5, 0.95, 0.85},
          {"antecedent", {0, 2}, 3e5, 0.95, 0.71}};
}

inline RoleScore made_up_score(const MadeUpRun& run, const MadeUpRole& made, std::int64_t tokens) {
  RoleScore score;
  score.role = find_role(run.kind, made.id);
  score.baseline = made.baseline;
  score.chance = 0.12;
  score.n_cases = 61;
  score.n_heads = run.n_heads;
  for (std::int64_t l = 0; l < run.n_layers; ++l) {
    for (std::int64_t h = 0; h < run.n_heads; ++h) {
      const bool is_best = HeadRef{l, h} == made.head;
      const double value = is_best ? made_up_rise(static_cast<double>(tokens), made.middle, 0.12, made.high) : 0.18;
      score.by_head.push_back(static_cast<float>(std::clamp(value + made_up_wobble(l * run.n_heads + h, tokens / 1000), 0.0, 1.0)));
    }
  }
  const auto best = std::max_element(score.by_head.begin(), score.by_head.end()) - score.by_head.begin();
  score.head = {best / run.n_heads, best % run.n_heads};
  score.score = score.by_head[static_cast<std::size_t>(best)];
  return score;
}

inline std::shared_ptr<const HeadReport> made_up_head_report(const MadeUpRun& run, std::int64_t tokens) {
  auto report = std::make_shared<HeadReport>();
  const auto t = static_cast<double>(tokens);
  report->tokens = tokens;
  report->held_out_loss = 1.98 + 3.92 * std::exp(-t / 9e4) + 0.55 * std::exp(-t / 9e5);
  report->floor = 1.536;
  report->has_floor = run.kind != ModelKind::kMasked;
  for (const MadeUpRole& made : made_up_roles(run.kind))
    report->roles.push_back(made_up_score(run, made, tokens));
  // Right by the nearer noun at first: below chance, then up.
  const double across =
      tokens == 0 ? 0.5
                  : std::clamp(0.5 - 0.26 * std::exp(-std::pow((t - 1.2e5) / 8e4, 2)) + made_up_rise(t, 4.2e5, 0, 0.49), 0.0, 1.0);
  report->behaviours = {{Behaviour::kAgreement, made_up_rise(t, 1e5, 0.5, 0.98), 0.5, 96},
                        {Behaviour::kAgreementAcrossDistractor, across, 0.5, 96},
                        {Behaviour::kCoreference, made_up_rise(t, 8e5, 0.5, 0.9), 0.5, 80},
                        {Behaviour::kCopying, made_up_rise(t, 1.5e6, 0.02, 0.5), 0.003, 96}};
  return report;
}

inline std::shared_ptr<RunReport> made_up_run(const MadeUpRun& made = {}) {
  auto run = std::make_shared<RunReport>();
  run->run = 1;
  run->phase = RunPhase::kRunning;
  run->config.kind = made.kind;
  run->config.shape.n_layers = made.n_layers;
  run->config.n_encoder_layers = made.kind == ModelKind::kEncoderDecoder ? made.n_layers : 0;
  run->config.shape.n_heads = run->config.shape.n_kv_heads = made.n_heads;
  run->tokens = made.tokens;
  run->tokens_planned = made.planned;
  run->tokens_per_second = 212'000;
  run->kept_bytes = 3'400'000;
  run->kept_budget_bytes = std::int64_t{256} << 20;
  for (int i = 0; i < made.n_reports; ++i) {
    // Denser at first, where most happens.
    const double share = made.n_reports > 1 ? static_cast<double>(i) / (made.n_reports - 1) : 1;
    const auto tokens = static_cast<std::int64_t>(std::llround(static_cast<double>(made.tokens) * share * share / 768)) * 768;
    run->reports.push_back(made_up_head_report(made, std::min(tokens, made.tokens)));
    run->kept.push_back(run->reports.back()->tokens);
    if (i > 0)
      run->losses.push_back({run->reports.back()->tokens, run->reports.back()->held_out_loss + 0.04 + made_up_wobble(i, 3)});
  }
  run->events = role_events(run->reports);
  Ablation ablation;
  ablation.head = {1, 1};
  ablation.tokens = made.tokens;
  ablation.loss_before = 2.31;
  ablation.loss_after = 2.428;
  ablation.before = run->reports.back()->behaviours;
  ablation.after = ablation.before;
  for (BehaviourScore& score : ablation.after)
    score.accuracy *= 0.6;
  run->ablation = ablation;
  return run;
}

inline FrameWord made_up_word(const std::string& text, std::int32_t id) {
  return {.id = id, .text = text, .is_special = text.front() == '<', .is_unknown = text == "zebra"};
}

inline std::vector<FrameWord> made_up_words(const std::string& sentence) {
  std::vector<FrameWord> words;
  for (std::size_t at = 0; at < sentence.size();) {
    const std::size_t end = std::min(sentence.find(' ', at), sentence.size());
    words.push_back(made_up_word(sentence.substr(at, end - at), static_cast<std::int32_t>(words.size())));
    at = end + 1;
  }
  return words;
}

/// A stack whose heads sharpen with `tokens`: head h of layer l looks at a word of its own choice; of L1 H1 the row 5 turns from itself to word 2.
inline FrameStack made_up_stack(const MadeUpRun& run, AttentionStack which, std::int64_t seq_q, std::int64_t seq_k, double tokens) {
  FrameStack stack;
  stack.stack = which;
  stack.n_layers = run.n_layers;
  stack.n_heads = run.n_heads;
  stack.seq_q = seq_q;
  stack.seq_k = seq_k;
  const double sharpness = 0.4 + 5 * made_up_rise(tokens, 2e5, 0, 1);
  const bool is_causal = which == AttentionStack::kSelf && run.kind != ModelKind::kMasked;
  for (std::int64_t l = 0; l < run.n_layers; ++l) {
    for (std::int64_t h = 0; h < run.n_heads; ++h) {
      for (std::int64_t q = 0; q < seq_q; ++q) {
        std::int64_t wanted = is_causal ? std::max<std::int64_t>(0, q - (l + 2 * h) % 5) : (q + l + h) % seq_k;
        if (l == 1 && h == 1 && q >= 3) wanted = q == 5 && tokens < 2e5 ? 5 : 2;
        std::vector<double> p;
        double sum = 0;
        for (std::int64_t k = 0; k < seq_k; ++k) {
          const bool is_hidden = is_causal && k > q;
          p.push_back(is_hidden ? 0
                                : std::exp(sharpness * (k == std::min(wanted, seq_k - 1) ? 1 : 0) +
                                           4 * made_up_wobble(q * 7 + k, l * 5 + h)));
          sum += p.back();
        }
        for (const double value : p)
          stack.probs.push_back(static_cast<float>(value / sum));
      }
    }
  }
  return stack;
}

inline std::shared_ptr<TrainFrame> made_up_frame(const MadeUpRun& run, std::int64_t tokens,
                                                 const std::string& sentence = "<bos> the cats near the dog were hungry .") {
  auto frame = std::make_shared<TrainFrame>();
  frame->tokens = tokens;
  frame->sentence = sentence;
  const auto t = static_cast<double>(tokens);
  if (run.kind != ModelKind::kEncoderDecoder) {
    frame->words = made_up_words(sentence);
    const auto n = std::ssize(frame->words);
    frame->stacks.push_back(made_up_stack(run, AttentionStack::kSelf, n, n, t));
    return frame;
  }
  frame->source = made_up_words(sentence);
  frame->words = made_up_words("<bos> mi kato ne wan hun .");
  const auto q = std::ssize(frame->words), k = std::ssize(frame->source);
  frame->stacks = {made_up_stack(run, AttentionStack::kSelf, q, q, t), made_up_stack(run, AttentionStack::kEncoder, k, k, t),
                   made_up_stack(run, AttentionStack::kCross, q, k, t)};
  return frame;
}

inline TrainInput made_up_training(const MadeUpRun& run = {}) {
  return {.report = made_up_run(run), .frame = made_up_frame(run, run.tokens), .compared = nullptr};
}

inline ExperimentPicture made_up_experiment() {
  ExperimentPicture picture;
  picture.title = "HEADS AT FIXED d_model";
  picture.x_name = "h";
  picture.y_name = "held-out loss, nats a token";
  picture.series = {{"rotary", {}}, {"learned", {}}};
  for (int i = 0; i < 5; ++i) {
    const double h = 1 << i, mean = 2.3 - 0.05 * i + 0.012 * i * i;
    picture.series[0].points.push_back({h, mean, mean - 0.03, mean + 0.04, 3, ""});
    picture.series[1].points.push_back({h, mean + 0.12, mean + 0.08, mean + 0.19, 3, ""});
    picture.rows.push_back({"h = " + std::to_string(1 << i), "2.296 ± 0.04", "0.97", "36,896", "14.2 s"});
  }
  picture.floor = 1.536;
  picture.columns = {"model", "loss", "agreement", "parameters", "time"};
  picture.conclusion =
      "More, smaller heads cost nothing in loss here: from h = 2 to h = 8 the means differ by less than their spread over three "
      "seeds.";
  return picture;
}

}  // namespace headroom

#pragma once

#include <memory>

#include "core/session/decode_requests.h"

namespace headroom {

/// What a session's requests make of a memory, with tokens of 4 KiB.
inline std::shared_ptr<const Batched> batched_of(const Session& session) {
  auto made = std::make_shared<Batched>();
  made->request = batch_wish(session);
  made->token_bytes = 4096;
  made->run = std::make_shared<const BatchRun>(run_batch({.plan = session.batch,
                                                          .token_bytes = made->token_bytes,
                                                          .page_rows = session.decode.cache.page_rows,
                                                          .stop = {},
                                                          .progress = {}}));
  return made;
}
inline DecodeState batch_state(const Session& session) {
  DecodeState state;
  state.batch = batched_of(session);
  return state;
}

/// Points that look like a trained model's: types and many tokens cost nothing, small windows much. Rows of 64 tokens, 4 KiB each.
inline QualityReport made_up_quality() {
  QualityReport report;
  report.n_rows = report.most_rows = 200;
  report.n_tokens = 200 * 63;
  report.is_finished = true;
  constexpr double kFull = 64 * 4096.0, kLoss = 1.43;
  report.full = {.choice = {}, .loss = kLoss, .bytes = kFull, .share_of_full = 1, .problem = {}};
  const auto add = [&](QualityChoice choice, double loss, double share) {
    QualityPoint& point = report.points.emplace_back();
    point = {.choice = std::move(choice), .loss = loss, .bytes = kFull * share, .share_of_full = share, .problem = {}};
    point.loss_error = 0.1 * (loss - kLoss);
    point.changed = std::min(0.9, 0.4 * (loss - kLoss));
    point.kl = 0.8 * (loss - kLoss);
  };
  constexpr KvType kTypes[]{KvType::kFloat32, KvType::kFloat16, KvType::kBFloat16, KvType::kInt8, KvType::kInt4};
  constexpr double kTypeLoss[]{kLoss, kLoss + 1e-5, kLoss + 2e-4, kLoss + 4e-4, kLoss + 0.06},
      kTypeShare[]{1, 0.5, 0.5, 0.3125, 0.1875};
  for (std::size_t i = 0; i < std::size(kTypes); ++i) {
    QualityChoice choice{.curve = QualityCurve::kBits, .cache = {}};
    choice.cache.type = kTypes[i];
    add(choice, kTypeLoss[i], kTypeShare[i]);
  }
  for (std::int64_t budget = 4; budget <= 64; budget *= 2) {
    const double share = static_cast<double>(budget) / 64, lack = (1 - share) * (1 - share);
    QualityChoice window{.curve = QualityCurve::kWindow, .cache = {}}, heavy{.curve = QualityCurve::kHeavyHitters, .cache = {}};
    window.cache.eviction = Eviction::kWindow;
    window.cache.window = budget;
    add(window, kLoss + 2.4 * lack, share);
    heavy.cache.eviction = Eviction::kHeavyHitters;
    heavy.cache.window = heavy.cache.n_heavy = budget / 2;
    add(heavy, kLoss + 0.5 * lack, share);
    if (budget == 4) continue;
    QualityChoice streaming{.curve = QualityCurve::kStreaming, .cache = {}};
    streaming.cache.eviction = Eviction::kStreaming;
    streaming.cache.window = budget - 4;
    add(streaming, kLoss + 0.9 * lack, share);
  }
  for (std::int64_t n = 8; n >= 1; n /= 2)
    add({.curve = QualityCurve::kKvHeads, .cache = {}, .n_kv_heads = n}, kLoss + 0.3 * (8.0 / static_cast<double>(n) - 1),
        static_cast<double>(n) / 8);
  return report;
}
inline DecodeState quality_state(const Session& session, const QualityReport& report) {
  auto quality = std::make_shared<Quality>();
  quality->request = quality_request(session);
  quality->text = "the held-out text";
  quality->report = std::make_shared<const QualityReport>(report);
  DecodeState state;
  state.quality = quality;
  return state;
}

}  // namespace headroom

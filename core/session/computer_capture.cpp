#include <algorithm>

#include "core/formats/file.h"
#include "core/session/computer_state.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::int64_t kMostExact = std::int64_t{1} << 26;    ///< numbers that are all looked at for the first picture
constexpr std::int64_t kMostSampled = std::int64_t{1} << 28;  ///< numbers that one refinement may read

std::int64_t numbers_of(const ForwardTrace& trace) {
  double numbers = 0;  // of the largest captures the product leaves 64 bits
  for (const LayerTrace& layer : trace.layers)
    if (!layer.heads.empty())
      numbers += static_cast<double>(layer.heads.size()) * static_cast<double>(layer.seq_q()) * static_cast<double>(layer.seq_k());
  return static_cast<std::int64_t>(std::min(numbers, 9e18));
}

/// What a look at so many sampled rows of each head reads.
std::int64_t sampled_numbers(const ForwardTrace& trace, std::int64_t rows) {
  std::int64_t numbers = 0;
  for (const LayerTrace& layer : trace.layers)
    if (!layer.heads.empty()) numbers += std::ssize(layer.heads) * std::min(rows, layer.seq_q()) * layer.seq_k();
  return numbers;
}

}  // namespace

std::shared_ptr<CaptureView> Computer::State::look_at_capture(const Compute& compute, const CaptureStore::Opened& opened,
                                                              const Control& control) {
  const CaptureChoice choice{compute.stack, compute.batch_entry};
  if (auto known = captures.find(opened.capture, choice)) return known;
  auto view = std::make_shared<CaptureView>();
  control.second("reading the capture", 0);
  view->pass = opened.capture->read(choice, control.first);
  view->n_numbers = numbers_of(*view->pass.trace);
  view->picture.pass.trace = view->pass.trace;
  view->picture.no_prediction = "A capture holds attention, not what the model predicts.";
  const PictureTools with{devices, compute.n_heads, compute.backend, options.free_bytes, -1, control.first, control.second};
  if (view->n_numbers <= kMostExact) {
    control.second("the heads", 0.5);
    look_at_heads(view->picture, with);
  } else {
    sample_heads_first(view->picture, with);
  }
  captures.keep(opened.capture, choice, view);
  return view;
}

std::shared_ptr<const Snapshot> Computer::State::capture_snapshot(const Compute& compute, const Request& request,
                                                                  const Control& control) {
  const CaptureStore::Opened opened = captures.open(compute.model);
  const CaptureFacts& facts = opened.capture->facts();
  if (shape_of(facts) != compute.trained)
    throw Error(shown_path(compute.model) + " has other layers and heads than this session was made for: open the capture again.");
  const std::shared_ptr<CaptureView> view = look_at_capture(compute, opened, control);
  const CapturePass& pass = view->pass;
  auto made = std::make_shared<Snapshot>();
  made->id = request.id;
  made->version = view->version = next_version();
  made->compute = compute;
  made->tokenizer = std::shared_ptr<const Tokenizer>(make_ids_tokenizer(0));
  made->tokens = pass.tokens;
  made->key_tokens = pass.key_tokens;
  made->config.shape = compute.trained;
  made->config.kind = facts.kind;
  made->config.family = "capture";
  made->config.predicts = false;
  for (const LayerTrace& layer : pass.trace->layers)
    made->n_kv_heads_left.push_back(layer.kv_head_of.empty() ? 0 : layer.kv_head_of.back() + 1);
  if (opened.is_gone)
    made->notices.push_back("The capture " + shown_path(compute.model) + " is no longer there: what was opened is still shown.");
  made->notices.insert(made->notices.end(), pass.notices.begin(), pass.notices.end());
  made->capture = std::make_shared<const CapturedText>(CapturedText{.n_entries = facts.n_entries,
                                                                    .text = pass.text,
                                                                    .model = facts.model,
                                                                    .tool = facts.tool,
                                                                    .knows_d_head = facts.d_head > 0,
                                                                    .bytes = static_cast<std::int64_t>(facts.bytes),
                                                                    .summary = pass.report.summary(),
                                                                    .notices = made->notices});
  made->trace = pass.trace;
  made->no_prediction = view->picture.no_prediction;
  made->heads = view->picture.heads;
  made->thumbnails = view->picture.thumbnails;
  made->cpu.backend = "computed elsewhere";
  made->backend_reason = pass.report.summary();
  made->is_long = std::max(pass.tokens.size(), pass.key_tokens.size()) > options.long_tokens;
  made->engine_ms = std::chrono::duration<double, std::milli>(Clock::now() - request.start).count();
  return made;
}

std::shared_ptr<const Snapshot> Computer::State::refined_capture(const std::shared_ptr<const Snapshot>& shown,
                                                                 const Control& control) {
  const Compute& compute = shown->compute;
  const CaptureStore::Opened opened = captures.open(compute.model);
  const auto view = captures.find(opened.capture, {compute.stack, compute.batch_entry});
  if (!view || view->version != shown->version || view->n_numbers <= kMostExact) return shown;
  const std::int64_t rows = std::int64_t{4} * kThumbnailCells << (2 * view->picture.n_refined);
  if (!has_more_samplings(view->picture) || sampled_numbers(*view->pass.trace, rows) > kMostSampled) return shown;
  const PictureTools with{devices, compute.n_heads, compute.backend, options.free_bytes, -1, control.first, control.second};
  view->picture = refined_picture(view->picture, with);
  auto made = std::make_shared<Snapshot>(*shown);
  made->version = view->version = next_version();
  made->heads = view->picture.heads;
  made->thumbnails = view->picture.thumbnails;
  return made;
}

}  // namespace headroom

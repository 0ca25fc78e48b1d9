#include "core/session/picture.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "core/cost/work.h"
#include "core/formats/utf8.h"
#include "core/model/hidden_tokens.h"
#include "core/session/not_finite.h"
#include "core/tensor/error.h"
#include "core/tensor/memory.h"

namespace headroom {
namespace {

/// Suggestions are for a person to read: beyond so many different words no one does.
constexpr std::size_t kMaxSuggestedWords = 200;
/// Of a text of thousands of tokens, nearest words of fewer: they take time, and the first picture waits for it.
constexpr std::size_t kMaxSuggestedLongWords = 20;
constexpr std::size_t kMaxSuggestedBytes = 64;
constexpr std::size_t kSuggestions = 3;

/// How many rows a long text's heads are judged by: at first few, for a picture at once, then more.
struct Sampling {
  std::int64_t row_samples;  ///< of each thumbnail's cell row
  std::int64_t metric_rows;
};
constexpr std::array kSamplings{Sampling{1, 64}, Sampling{4, 256}, Sampling{16, 512}, Sampling{64, 1024}};

bool all_finite(std::span<const float> values) {
  return std::all_of(values.begin(), values.end(), [](float value) { return std::isfinite(value); });
}

TileRequest thumbnail_request(const ForwardTrace& trace, std::int64_t row_samples) {
  TileRequest request;
  request.row_end = std::ssize(trace.ids);
  request.col_end = trace.key_ids.empty() ? request.row_end : std::ssize(trace.key_ids);
  request.rows = std::min(request.row_end, kThumbnailCells);
  request.cols = std::min(request.col_end, kThumbnailCells);
  request.row_samples = row_samples;
  return request;
}

std::vector<std::vector<Tile>> make_thumbnails(const ForwardTrace& trace, const PictureTools& tools) {
  const auto n_layers = static_cast<std::int64_t>(trace.layers.size());
  std::vector<std::vector<Tile>> tiles(static_cast<std::size_t>(n_layers),
                                       std::vector<Tile>(static_cast<std::size_t>(tools.n_heads)));
  tools.devices.pool().parallel_for(
      n_layers * tools.n_heads,
      [&](std::int64_t item, int) {
        TileRequest request = thumbnail_request(trace, 0);
        request.layer = item / tools.n_heads;
        request.head = item % tools.n_heads;
        tiles[static_cast<std::size_t>(request.layer)][static_cast<std::size_t>(request.head)] = evaluate_tile(trace, request);
      },
      tools.stop);
  return tiles;
}

/// Head after head, each shared out over the threads.
void sample_heads(Picture& picture, const PictureTools& tools) {
  const ForwardTrace& trace = *picture.pass.trace;
  const Sampling& sampling = kSamplings[static_cast<std::size_t>(picture.n_refined)];
  const std::string stage = picture.n_refined == 0 ? "heads from sampled rows" : "heads from more rows";
  const auto n_layers = static_cast<std::int64_t>(trace.layers.size());
  ThreadPool& pool = tools.devices.pool();
  std::vector<std::vector<Tile>> tiles(static_cast<std::size_t>(n_layers));
  TileRequest request = thumbnail_request(trace, sampling.row_samples);
  for (request.layer = 0; request.layer < n_layers; ++request.layer) {
    for (request.head = 0; request.head < tools.n_heads; ++request.head) {
      const auto done = static_cast<double>(request.layer * tools.n_heads + request.head);
      tools.progress(stage, 0.8 * done / static_cast<double>(n_layers * tools.n_heads));
      tiles[static_cast<std::size_t>(request.layer)].push_back(evaluate_tile(trace, request, tools.stop, &pool));
    }
  }
  tools.progress(stage, 0.8);
  picture.heads = measure_heads(trace, tools.n_heads, {.max_rows = sampling.metric_rows, .stop = tools.stop, .pool = &pool});
  picture.thumbnails = std::move(tiles);
}

/// Of q and k of some rows, evenly spread.
bool is_finite_in_places(const LayerTrace& layer) {
  constexpr std::int64_t kPlaces = 1024;
  for (const Tensor* tensor : {&layer.attention.q, &layer.attention.k}) {
    const std::int64_t n = tensor->dim(0);
    for (std::int64_t i = 0; i < std::min(n, kPlaces); ++i) {
      if (!all_finite(tensor->row(i * n / std::min(n, kPlaces)))) return false;
    }
  }
  return true;
}

/// What a masked model says of each token when that is hidden: as many passes as tokens, so not of every text.
void add_hidden_tokens(Picture& picture, const PassRequest& request, const PictureTools& tools) {
  constexpr double kMostFlops = 5e10;
  const ModelConfig& config = request.params.config;
  if (!config.predicts) {
    picture.no_prediction = "This model has no output of its own, or not all of its layers: it predicts nothing.";
    return;
  }
  if (tools.mask_id < 0) {
    picture.no_prediction = "The tokenizer has no token that hides another, so nothing can be predicted.";
    return;
  }
  PassShape shape{.model = config, .n_heads = {}, .n_kv_heads = {}, .seq = std::ssize(request.ids), .mask = request.mask};
  for (const LayerParams& layer : request.params.layers) {
    shape.n_heads.push_back(std::ssize(layer.heads));
    shape.n_kv_heads.push_back(std::ssize(layer.kv_heads));
  }
  double flops = 0;
  for (const StageWork& stage : pass_work(shape))
    flops += stage.flops * static_cast<double>(request.ids.size());
  if (flops > kMostFlops) {
    picture.no_prediction = "Not computed: hiding each token in turn takes a pass a token, which is too much for this text.";
    return;
  }
  tools.progress("hidden tokens", 0.4);
  ForwardOptions options{
      .mask = request.mask, .token_types = request.token_types, .keep = ForwardOptions::Keep::kLogitsOnly, .stop = tools.stop};
  picture.hidden_logits = std::make_shared<const Tensor>(
      hidden_token_logits(request.params, request.ids, tools.mask_id, tools.devices.pool(), options));
  picture.losses = hidden_token_losses(*picture.hidden_logits, request.ids);
}

LongPassOptions options_of(const PassRequest& request, const PictureTools& tools, const std::string& stage) {
  LongPassOptions options;
  options.mask = request.mask;
  options.stop = tools.stop;
  options.progress = [&tools, stage](double share) { tools.progress(stage, share); };
  return options;
}

}  // namespace

std::vector<std::int32_t> ReadText::types() const {
  std::vector<std::int32_t> all;
  if (std::ranges::all_of(tokens, [](const Token& token) { return token.type == 0; })) return all;
  for (const Token& token : tokens)
    all.push_back(token.type);
  return all;
}

ReadText read_text(const Tokenizer& tokenizer, std::string_view text, std::size_t max_tokens, std::stop_token stop) {
  return read_encoding(tokenizer, tokenizer.encode(text, max_tokens, stop), stop);
}

ReadText read_encoding(const Tokenizer& tokenizer, Encoding encoding, std::stop_token stop) {
  ReadText read;
  read.tokens = std::move(encoding.tokens);
  read.notices = std::move(encoding.notices);
  read.ids.reserve(read.tokens.size());
  const std::size_t most_suggested = read.tokens.size() > kLongTokens ? kMaxSuggestedLongWords : kMaxSuggestedWords;
  std::map<std::string, std::vector<std::string>> suggested;
  for (std::size_t i = 0; i < read.tokens.size(); ++i) {
    const Token& token = read.tokens[i];
    read.ids.push_back(token.id);
    if (!token.is_unknown) continue;
    UnknownWord unknown{i, token.source, {}};
    auto it = suggested.find(token.source);
    if (it == suggested.end() && suggested.size() < most_suggested && token.source.size() <= kMaxSuggestedBytes) {
      if (stop.stop_requested()) throw Cancelled();
      it = suggested.emplace(token.source, tokenizer.nearest_words(token.source, kSuggestions)).first;
    }
    if (it != suggested.end()) unknown.suggestions = it->second;
    read.unknown.push_back(std::move(unknown));
  }
  return read;
}

void cut_to_positions(ReadText& text, const ModelConfig& config) {
  const auto most = static_cast<std::size_t>(config.shape.max_positions);
  if (config.positions != PositionKind::kLearned || text.ids.size() <= most) return;
  text.notices.push_back("The model has learned " + with_thousands(most) + " positions: the text was cut to its first " +
                         counted(most, "token") + " of " + with_thousands(text.ids.size()) + ".");
  text.ids.resize(most);
  text.tokens.resize(most);
  std::erase_if(text.unknown, [&](const UnknownWord& word) { return word.token >= most; });
}

std::int32_t mask_token(const Tokenizer& tokenizer) {
  for (const char* spelling : {"<mask>", "[MASK]"})
    if (const std::int32_t id = tokenizer.token_id(spelling); id >= 0) return id;
  return -1;
}

Picture short_picture(const PassRequest& request, const PictureTools& tools) {
  Picture made;
  tools.progress("the pass", 0);
  made.pass = tools.devices.run(request, tools.backend, tools.stop);
  const ForwardTrace& trace = *made.pass.trace;
  tools.progress("the heads", 0.5);
  if (request.params.config.kind == ModelKind::kMasked) {
    add_hidden_tokens(made, request, tools);
  } else {
    made.losses = next_token_losses(trace.logits, request.ids);
  }
  look_at_heads(made, tools);
  return made;
}

void look_at_heads(Picture& picture, const PictureTools& tools) {
  const ForwardTrace& trace = *picture.pass.trace;
  picture.heads = measure_heads(trace, tools.n_heads, {.stop = tools.stop});
  picture.thumbnails = make_thumbnails(trace, tools);
  if (!all_finite(trace.logits.span())) picture.notices.push_back(not_finite_notice(trace));
}

Picture first_layer_picture(const PassRequest& request, const PictureTools& tools) {
  Picture made;
  made.is_long = true;
  made.pass = tools.devices.run_first_layer(request, options_of(request, tools, "the first layer"));
  sample_heads(made, tools);
  if (!is_finite_in_places(made.pass.trace->layers.front())) made.notices.push_back(not_finite_notice(*made.pass.trace));
  return made;
}

Picture with_estimate(const Picture& picture, const PassRequest& request, const PictureTools& tools) {
  Picture made = picture;
  tools.progress("what a full pass would take", 0);
  made.plan = tools.devices.plan_long(request, *picture.pass.trace, tools.backend, tools.stop);
  made.deeper = estimate_pass(request.params, std::ssize(request.ids), request.mask, *made.plan,
                              tools.free_bytes > 0 ? tools.free_bytes : free_bytes());
  return made;
}

Picture deep_picture(const Picture& picture, const PassRequest& request, const PictureTools& tools) {
  Picture made;
  made.is_long = made.has_all_layers = true;
  made.plan = picture.plan;
  made.pass = tools.devices.run_long(request, *made.plan, options_of(request, tools, "all layers"));
  const ForwardTrace& trace = *made.pass.trace;
  if (request.params.config.kind == ModelKind::kMasked) {
    add_hidden_tokens(made, request, tools);
  } else {
    made.losses = next_token_losses(request.params, trace, tools.devices.pool(), options_of(request, tools, "losses"));
  }
  sample_heads(made, tools);
  if (!all_finite(trace.output.row(trace.output.dim(0) - 1))) made.notices.push_back(not_finite_notice(trace));
  return made;
}

void sample_heads_first(Picture& picture, const PictureTools& tools) {
  picture.n_refined = 0;
  sample_heads(picture, tools);
}

bool has_more_samplings(const Picture& picture) { return static_cast<std::size_t>(picture.n_refined) + 1 < kSamplings.size(); }

bool can_refine(const Picture& picture) { return picture.is_long && has_more_samplings(picture); }

Picture refined_picture(const Picture& picture, const PictureTools& tools) {
  Picture made = picture;
  ++made.n_refined;
  sample_heads(made, tools);
  return made;
}

}  // namespace headroom

#include <algorithm>
#include <array>
#include <numeric>
#include <string>

#include "core/model/forward_steps.h"
#include "core/model/long_pass.h"
#include "core/tensor/error.h"
#include "core/tensor/matmul.h"

namespace headroom {
namespace {

/// The places of each id in a text.
struct Places {
  std::vector<std::int32_t> ids;      ///< those that occur, ascending
  std::vector<std::size_t> begin;     ///< [ids.size() + 1] into `at`
  std::vector<std::int32_t> at;       ///< [seq] positions, those of one id together, ascending
  std::vector<std::int32_t> rank_of;  ///< [seq] index into ids of the same entries
};

Places places_of(std::span<const std::int32_t> ids) {
  Places places;
  places.at.resize(ids.size());
  std::iota(places.at.begin(), places.at.end(), 0);
  std::stable_sort(places.at.begin(), places.at.end(), [&](std::int32_t a, std::int32_t b) {
    return ids[static_cast<std::size_t>(a)] < ids[static_cast<std::size_t>(b)];
  });
  places.rank_of.reserve(ids.size());
  for (std::size_t t = 0; t < places.at.size(); ++t) {
    const std::int32_t id = ids[static_cast<std::size_t>(places.at[t])];
    if (places.ids.empty() || places.ids.back() != id) {
      places.ids.push_back(id);
      places.begin.push_back(t);
    }
    places.rank_of.push_back(static_cast<std::int32_t>(places.ids.size()) - 1);
  }
  places.begin.push_back(places.at.size());
  return places;
}

TextPart part_of(std::span<const std::int32_t> ids, const LongPassOptions& options, std::int64_t begin, std::int64_t rows) {
  const auto first = static_cast<std::size_t>(begin), n = static_cast<std::size_t>(rows);
  const std::span<const std::int32_t> types = options.token_types;
  return {ids.subspan(first, n), begin, types.empty() ? types : types.subspan(first, n)};
}

/// The first layer's norms of q and k, where the model has them. Shapes  q, k rows without gaps.
void norm_queries_and_keys(ThreadPool& pool, const ModelParams& params, MatrixView q, MatrixView k) {
  const LayerParams& layer = params.layers.front();
  const QueryKeyNorms norms(params.config, layer);
  for_rows(pool, q.rows, q.cols + k.cols, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      norm_row(norms.q, std::ssize(layer.heads), q.row(i));
      norm_row(norms.k, std::ssize(layer.kv_heads), k.row(i));
    }
  });
}

/// Learned positions are added to the embedding, so what a token reads differs at each of its places: row after row is projected.
void project_in_order(const ModelParams& params, std::span<const std::int32_t> ids, ThreadPool& pool,
                      const LongPassOptions& options, StageClock& clock, AttentionLayerResult& result) {
  const LayerParams& layer = params.layers.front();
  const std::int64_t seq = std::ssize(ids), stretch = std::clamp<std::int64_t>(options.rows_per_stretch, 1, seq);
  Tensor x({stretch, params.config.shape.d_model}, Fill::kNone), normed({stretch, params.config.shape.d_model}, Fill::kNone);
  for (std::int64_t begin = 0; begin < seq; begin += stretch) {
    report_share(options, static_cast<double>(begin) / static_cast<double>(seq));
    const std::int64_t rows = std::min(stretch, seq - begin);
    const MatrixView input = rows_of(normed, 0, rows);
    embed_tokens(pool, decoder_of(params), part_of(ids, options, begin, rows), rows_of(x, 0, rows));
    clock.lap("embed");
    attention_input(pool, params.config, layer, rows_of(x, 0, rows), input);
    clock.lap("norm");
    const std::array parts{LinearPart{layer.w_q.weights(), layer.b_q.span(), rows_of(result.q, begin, begin + rows)},
                           LinearPart{layer.w_k.weights(), layer.b_k.span(), rows_of(result.k, begin, begin + rows)}};
    linear(pool, input, parts);
    norm_queries_and_keys(pool, params, rows_of(result.q, begin, begin + rows), rows_of(result.k, begin, begin + rows));
    clock.lap("q k v");
  }
}

}  // namespace

ForwardTrace first_layer_pass(const ModelParams& params, std::span<const std::int32_t> ids, ThreadPool& pool,
                              const LongPassOptions& options) {
  const ModelShape& shape = params.config.shape;
  check_ids(ids, shape.vocab_size);
  check_length(params.config, std::ssize(ids));
  check_types(params.token_types, ids, options.token_types);
  const LayerParams& layer = params.layers.at(0);
  const std::int64_t seq = std::ssize(ids), n_heads = std::ssize(layer.heads), n_kv = std::ssize(layer.kv_heads);
  const std::int64_t q_width = n_heads * shape.d_head, kv_width = n_kv * shape.d_head;
  ForwardTrace trace;
  trace.ids.assign(ids.begin(), ids.end());
  trace.mask = options.mask;
  StageClock clock(trace.times);
  trace.layers.push_back(layer_trace(layer, StackScores(decoder_of(params), options.mask).config(0, seq)));
  LayerTrace& step = trace.layers.back();
  step.attention.q = Tensor({seq, q_width}, Fill::kNone);
  step.attention.k = Tensor({seq, kv_width}, Fill::kNone);
  if (n_heads == 0) return trace;
  Tensor &q = step.attention.q, &k = step.attention.k;
  if (params.config.positions == PositionKind::kLearned || !params.token_types.empty()) {
    project_in_order(params, ids, pool, options, clock, step.attention);
    report_share(options, 1);
    step.row_sums = make_row_sums(step);
    return trace;
  }

  const Places places = places_of(ids);
  const auto n_ids = static_cast<std::int64_t>(places.ids.size());
  const std::int64_t stretch = std::clamp<std::int64_t>(options.rows_per_stretch, 1, n_ids);
  Tensor x({stretch, shape.d_model}, Fill::kNone), normed({stretch, shape.d_model}, Fill::kNone);
  Tensor flat_q({stretch, q_width}, Fill::kNone), flat_k({stretch, kv_width}, Fill::kNone);
  clock.lap("embed");
  const RotaryAngles angles(pool, rotary_of(params.config, seq), seq, shape.d_head);
  clock.lap("rotary");
  for (std::int64_t first = 0; first < n_ids; first += stretch) {
    const std::int64_t rows = std::min(stretch, n_ids - first);
    const std::size_t begin = places.begin[static_cast<std::size_t>(first)],
                      end = places.begin[static_cast<std::size_t>(first + rows)];
    report_share(options, static_cast<double>(begin) / static_cast<double>(seq));
    embed_tokens(pool, decoder_of(params),
                 {std::span(places.ids).subspan(static_cast<std::size_t>(first), static_cast<std::size_t>(rows))},
                 rows_of(x, 0, rows));
    clock.lap("embed");
    attention_input(pool, params.config, layer, rows_of(x, 0, rows), rows_of(normed, 0, rows));
    clock.lap("norm");
    const std::array parts{LinearPart{layer.w_q.weights(), layer.b_q.span(), rows_of(flat_q, 0, rows)},
                           LinearPart{layer.w_k.weights(), layer.b_k.span(), rows_of(flat_k, 0, rows)}};
    linear(pool, rows_of(normed, 0, rows), parts);
    norm_queries_and_keys(pool, params, rows_of(flat_q, 0, rows), rows_of(flat_k, 0, rows));
    clock.lap("q k v");
    constexpr std::size_t kPlacesPerItem = 128;
    const auto n_items = static_cast<std::int64_t>((end - begin + kPlacesPerItem - 1) / kPlacesPerItem);
    pool.parallel_for(
        n_items,
        [&](std::int64_t item, int) {
          const std::size_t from = begin + static_cast<std::size_t>(item) * kPlacesPerItem,
                            to = std::min(end, from + kPlacesPerItem);
          for (std::size_t t = from; t < to; ++t) {
            const std::int64_t row = places.rank_of[t] - first, position = places.at[t];
            angles.rotate(position, n_heads, flat_q.row(row).data(), q.row(position).data());
            angles.rotate(position, n_kv, flat_k.row(row).data(), k.row(position).data());
          }
        },
        options.stop);
    clock.lap("rotary");
  }
  report_share(options, 1);
  step.row_sums = make_row_sums(step);
  return trace;
}

FirstLayerVectors first_layer_vectors(const ModelParams& params, std::int32_t id, std::int64_t position, std::int32_t type) {
  const std::array ids{id}, types{type};
  const ModelShape& shape = params.config.shape;
  check_ids(ids, shape.vocab_size);
  if (position < 0) throw ShapeError("position " + std::to_string(position) + " is below 0");
  check_length(params.config, position + 1);
  const LayerParams& layer = params.layers.at(0);
  const std::int64_t width = std::ssize(layer.kv_heads) * shape.d_head;
  FirstLayerVectors vectors{std::vector<float>(static_cast<std::size_t>(shape.d_model)),
                            std::vector<float>(static_cast<std::size_t>(width))};
  const MatrixView normed{vectors.normed.data(), 1, shape.d_model, shape.d_model};
  ThreadPool caller(1);
  embed_tokens(caller, decoder_of(params), {ids, position, types}, normed);
  if (params.config.norm_place != NormPlace::kAfter) attention_input(caller, params.config, layer, normed, normed);
  if (width > 0) linear(caller, normed, layer.w_v.weights(), layer.b_v.span(), {vectors.v.data(), 1, width, width});
  return vectors;
}

}  // namespace headroom

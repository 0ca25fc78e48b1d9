#include <CLI/CLI.hpp>
#include <cmath>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/commands/command.h"
#include "app/commands/compute_options.h"
#include "core/analysis/tile.h"
#include "core/formats/safetensors.h"
#include "core/session/on_demand.h"

namespace headroom {

namespace {

using nlohmann::ordered_json;

struct CaptureOptions {
  ComputeOptions compute;
  std::string out;
  bool with_probs = false;
  bool as_json = false;
  std::size_t max_tokens = kMaxTokens;
};

constexpr std::int64_t kMaxProbsBytes = std::int64_t{8} << 30;

std::string layer_name(std::size_t layer, const char* tensor) { return "layers." + std::to_string(layer) + "." + tensor; }

/// [seq, n * d_head] as the pass keeps it -> [n, seq, d_head] as the file has it.
std::vector<float> head_major(const Tensor& rows, std::int64_t d_head) {
  const std::int64_t seq = rows.dim(0);
  const std::int64_t n = d_head == 0 ? 0 : rows.dim(1) / d_head;
  std::vector<float> values(static_cast<std::size_t>(rows.size()));
  for (std::int64_t h = 0; h < n; ++h) {
    for (std::int64_t i = 0; i < seq; ++i) {
      for (std::int64_t c = 0; c < d_head; ++c) {
        values[static_cast<std::size_t>((h * seq + i) * d_head + c)] = rows.row(i)[static_cast<std::size_t>(h * d_head + c)];
      }
    }
  }
  return values;
}

/// The file in the making, with the shapes of what it holds for the summary.
struct Capture {
  SafetensorsWriter writer;
  ordered_json shapes;

  template <typename Values>
  void add(const std::string& name, const std::vector<std::int64_t>& shape, const Values& values) {
    writer.add(name, shape, values);
    shapes[name] = shape;
  }
};

void add_layers(Capture& capture, const Snapshot& snapshot) {
  const ForwardTrace& trace = *snapshot.trace;
  const auto seq = static_cast<std::int64_t>(trace.ids.size());
  for (std::size_t l = 0; l < trace.layers.size(); ++l) {
    const LayerTrace& layer = trace.layers[l];
    const auto& result = layer.attention;
    const auto n_heads = static_cast<std::int64_t>(layer.heads.size());
    const std::int64_t n_kv = snapshot.n_kv_heads_left[l];
    const bool has_values = !result.v.empty() || n_heads == 0, has_sums = !result.logsumexp.empty() || n_heads == 0;
    capture.add(layer_name(l, "q"), {n_heads, seq, layer.d_head}, head_major(result.q, layer.d_head));
    capture.add(layer_name(l, "k"), {n_kv, seq, layer.d_head}, head_major(result.k, layer.d_head));
    if (has_values) capture.add(layer_name(l, "v"), {n_kv, seq, layer.d_head}, head_major(result.v, layer.d_head));
    if (has_sums) capture.add(layer_name(l, "logsumexp"), {n_heads, seq}, result.logsumexp.span());
    ordered_json heads = layer.heads;
    capture.writer.set_metadata(layer_name(l, "heads"), heads.dump());
  }
}

/// [n_layers, n_heads, n, n]; masked pairs and pruned heads are 0.
void add_probs(Capture& capture, const Snapshot& snapshot) {
  const auto n = static_cast<std::int64_t>(snapshot.seq());
  const std::int64_t n_layers = std::ssize(snapshot.trace->layers), n_heads = snapshot.compute.n_heads;
  const double bytes = 4.0 * static_cast<double>(n_layers * n_heads) * static_cast<double>(n) * static_cast<double>(n);
  if (bytes > static_cast<double>(kMaxProbsBytes)) {
    throw Error("--probs would write " + bytes_text(static_cast<std::int64_t>(bytes)) +
                "; q, k and logsumexp (written without --probs) give any probability as exp(scale * q·k - logsumexp)");
  }
  std::vector<float> probs;
  probs.reserve(static_cast<std::size_t>(n_layers * n_heads * n * n));
  for (std::int64_t l = 0; l < n_layers; ++l) {
    for (std::int64_t h = 0; h < n_heads; ++h) {
      TileRequest request;
      request.layer = l;
      request.head = h;
      request.row_end = request.rows = request.col_end = request.cols = n;
      const Tile tile = evaluate_tile(*snapshot.trace, request);
      if (tile.is_pruned) {
        probs.insert(probs.end(), static_cast<std::size_t>(n * n), 0.0f);
      } else {
        for (const float p : tile.values)
          probs.push_back(std::isnan(p) ? 0.0f : p);
      }
    }
  }
  capture.add("probs", {n_layers, n_heads, n, n}, probs);
}

/// Writes the file and returns the shapes of its tensors.
ordered_json write_capture(const Snapshot& snapshot, const CaptureOptions& options) {
  Capture capture;
  const ForwardTrace& trace = *snapshot.trace;
  const auto n = static_cast<std::int64_t>(trace.ids.size());
  capture.add("input_ids", {n}, trace.ids);
  if (!trace.logits.empty()) capture.add("logits", {n, trace.logits.dim(1)}, trace.logits.span());
  add_layers(capture, snapshot);
  if (options.with_probs) add_probs(capture, snapshot);

  ordered_json tokens = ordered_json::array();
  for (const Token& token : snapshot.tokens)
    tokens.push_back(token.text);
  const auto replace = ordered_json::error_handler_t::replace;  // a token may hold bytes that are no UTF-8
  capture.writer.set_metadata("format", "headroom-capture");
  capture.writer.set_metadata("version", "1");
  capture.writer.set_metadata("model", snapshot.compute.model);
  capture.writer.set_metadata("parameters", snapshot.is_untrained ? "untrained" : "trained");
  capture.writer.set_metadata("text", ordered_json(snapshot.compute.text.str()).dump(-1, ' ', false, replace));
  capture.writer.set_metadata("tokens", tokens.dump(-1, ' ', false, replace));
  capture.writer.set_metadata("mask", mask_text(snapshot.compute.mask));
  capture.writer.set_metadata("tool", "headroom " HEADROOM_VERSION);
  capture.writer.write(options.out);
  return std::move(capture.shapes);
}

void print_summary(const Snapshot& snapshot, const CaptureOptions& options, const ordered_json& shapes) {
  ordered_json json;
  json["model"] = snapshot.compute.model;
  json["is_untrained"] = snapshot.is_untrained;
  json["backend"] = snapshot.cpu.backend;
  if (snapshot.ran_on_gpu && snapshot.gpu) json["backend"] = snapshot.gpu->backend;
  json["mask"] = mask_text(snapshot.compute.mask);
  json["n_tokens"] = snapshot.seq();
  auto& tokens = json["tokens"] = ordered_json::array();
  for (const Token& token : snapshot.tokens)
    tokens.push_back(token.text);
  json["shape"] = {{"n_layers", snapshot.config.shape.n_layers}, {"d_model", snapshot.config.shape.d_model},
                   {"n_heads", snapshot.config.shape.n_heads},   {"n_kv_heads", snapshot.config.shape.n_kv_heads},
                   {"d_head", snapshot.config.shape.d_head},     {"vocab_size", snapshot.config.shape.vocab_size}};
  json["n_parameters"] = snapshot.parameters.total();
  json["tensors"] = shapes;
  auto& entropies = json["entropy_nats"] = ordered_json::array();
  for (const auto& layer : snapshot.heads) {
    auto row = ordered_json::array();
    for (const HeadMetrics& head : layer)
      row.push_back(head.is_pruned ? ordered_json(nullptr) : ordered_json(head.entropy));
    entropies.push_back(std::move(row));
  }
  auto& predictions = json["top_predictions"] = ordered_json::array();
  for (const Prediction& p : predictions_after(snapshot, static_cast<std::int64_t>(snapshot.seq()) - 1, 5)) {
    predictions.push_back(
        {{"id", p.id}, {"token", std::string(snapshot.tokenizer->token_text(p.id))}, {"probability", p.probability}});
  }
  double sum = 0;
  for (const double loss : snapshot.losses)
    sum += loss;
  json["loss_nats"] =
      snapshot.losses.empty() ? ordered_json(nullptr) : ordered_json(sum / static_cast<double>(snapshot.losses.size()));
  json["out"] = options.out;
  std::cout << json.dump(2, ' ', false, ordered_json::error_handler_t::replace) << '\n';
}

}  // namespace

void add_capture_command(CommandLine& line) {
  CLI::App* command = line.app.add_subcommand("capture", "Write what a model computes on a text as a safetensors file");
  auto options = std::make_shared<CaptureOptions>();
  options->compute.add_to(*command);
  command->add_option("--out", options->out, "The file to write (*.safetensors)")->required()->type_name("FILE");
  command->add_flag("--probs", options->with_probs, "Also write probs [n_layers, n_heads, n, n]: every attention probability");
  command->add_flag("--json", options->as_json, "Print a summary: shapes, entropies, top predictions, loss");
  command->add_option("--max-tokens", options->max_tokens, "Longer texts are cut here")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 20))
      ->capture_default_str()
      ->type_name("N");
  command->footer(
      "Writes input_ids [n], logits [n, vocab], layers.{i}.q [h, n, d_k], .k and .v [kv_heads, n, d_k], .logsumexp [h, n];\n"
      "q and k are those after rotation, so probs = exp(q·k / sqrt(d_k) - logsumexp). Tokens and text are in the metadata.\n"
      "Of a text of more than 4,096 tokens only q and k of the first layer are computed and written; with\n"
      "--set compute.depth=\"all layers\" all layers are, without logits. --probs there needs a text short enough for it.\n"
      "Examples:\n"
      "  headroom capture --model grammar-base --text \"The cat that sat on the mat was fluffy\" --out cat.safetensors --json\n"
      "  headroom capture --model my-model/ --text-file story.txt --probs --out story.safetensors\n"
      "  headroom capture --kv-heads 2 --prune 0.3,2.1 --mask causal,local_window:4 --text \"the dog is loud\" --out "
      "x.safetensors");
  command->callback([&line, options] {
    line.run = [options](const std::filesystem::path& assets) {
      const Session session = options->compute.session(assets);
      const auto snapshot = compute_now(session, {assets, false, options->max_tokens});
      const ordered_json shapes = write_capture(*snapshot, *options);
      if (options->as_json) {
        print_summary(*snapshot, *options, shapes);
      } else {
        std::cout << "Wrote " << options->out << ": " << snapshot->seq() << " tokens, " << snapshot->trace->layers.size()
                  << " layers\n";
      }
      return 0;
    };
  });
}

}  // namespace headroom

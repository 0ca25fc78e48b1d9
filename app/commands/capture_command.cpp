#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <iostream>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/commands/command.h"
#include "app/commands/compute_options.h"
#include "core/cost/kv_cache.h"
#include "core/formats/file.h"
#include "core/session/on_demand.h"
#include "core/session/write_capture.h"

namespace headroom {

namespace {

using nlohmann::ordered_json;

struct CaptureOptions {
  ComputeOptions compute;
  std::string out, layers, dtype = "f32";
  bool with_probs = false;
  bool as_json = false;
  std::size_t max_tokens = kMaxTokens;
};

constexpr double kMaxProbsBytes = 8.0 * (1 << 30);

/// "0,3,7-9": ascending. Errors  UsageError.
std::vector<std::int64_t> read_layers(const std::string& text) {
  std::vector<std::int64_t> layers;
  const auto fail = [&]() -> void {
    throw UsageError("--layers " + escape_for_display(text) + ": it takes layers from 0, e.g. 0,3,7-9");
  };
  for (std::size_t at = 0; at <= text.size() && !text.empty();) {
    const std::size_t comma = std::min(text.find(',', at), text.size());
    const char* const end = text.data() + comma;
    std::int64_t first = 0, last = 0;
    auto read = std::from_chars(text.data() + at, end, first);
    if (read.ec != std::errc() || first < 0 || first > 100000) fail();
    last = first;
    if (read.ptr != end && *read.ptr == '-') read = std::from_chars(read.ptr + 1, end, last);
    if (read.ec != std::errc() || read.ptr != end || last < first || last > 100000) fail();
    for (std::int64_t layer = first; layer <= last; ++layer)
      layers.push_back(layer);
    at = comma + 1;
  }
  std::sort(layers.begin(), layers.end());
  layers.erase(std::unique(layers.begin(), layers.end()), layers.end());
  return layers;
}

/// What --probs would write beside q, k and v.
void check_probs(const Snapshot& snapshot, const CaptureOptions& options, std::size_t n_layers) {
  const ForwardTrace& trace = *snapshot.trace;
  const auto queries = static_cast<double>(trace.ids.size());
  const double keys = trace.key_ids.empty() ? queries : static_cast<double>(trace.key_ids.size());
  const double width = options.dtype == "f16" ? 2 : 4;
  const double bytes = width * static_cast<double>(n_layers) * static_cast<double>(snapshot.compute.n_heads) * queries * keys;
  if (bytes <= kMaxProbsBytes) return;
  throw Error("--probs would write " + bytes_text(static_cast<std::int64_t>(bytes)) +
              "; q, k and logsumexp (written without --probs) give any probability as exp(scale * q·k - logsumexp); --layers and "
              "--dtype f16 write less");
}

/// Writes the file and returns the shapes of its tensors.
ordered_json write(const Snapshot& snapshot, const CaptureOptions& options) {
  CaptureWriting wanted;
  wanted.layers = read_layers(options.layers);
  if (options.dtype == "f16") wanted.numbers = CaptureWriting::Numbers::kFloat16;
  if (options.with_probs) {
    check_probs(snapshot, options, wanted.layers.empty() ? snapshot.trace->layers.size() : wanted.layers.size());
    wanted.probs = CaptureWriting::Probs::kWritten;
  }
  ordered_json shapes;
  for (const TensorToWrite& tensor : write_capture(snapshot, options.out, wanted))
    shapes[tensor.name] = tensor.shape;
  return shapes;
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
  command->add_option("--layers", options->layers, "Only these layers, e.g. 0,3,7-9")->type_name("LIST");
  command->add_option("--dtype", options->dtype, "Numbers of the tensors: f32, or f16 for half the bytes")
      ->check(CLI::IsMember({"f16", "f32"}))
      ->capture_default_str()
      ->type_name("TYPE");
  command->add_flag("--probs", options->with_probs, "Also write attn.LAYER [h, n, n]: every attention probability");
  command->add_flag("--json", options->as_json, "Print a summary: shapes, entropies, top predictions, loss");
  command->add_option("--max-tokens", options->max_tokens, "Longer texts are cut here")
      ->check(CLI::Range(std::size_t{1}, std::size_t{1} << 20))
      ->capture_default_str()
      ->type_name("N");
  command->footer(
      "Writes input_ids [n], logits [n, vocab], and for each layer LAYER (000, 001, ...): q.LAYER [n, h, d_k], k.LAYER and "
      "v.LAYER\n"
      "[n, kv_heads, d_k], logsumexp.LAYER [h, n] (f32); q and k are those after rotation, so probs = exp(q·k / sqrt(d_k) - logsumexp).\n"
      "Tokens, text and mask are in the metadata. headroom opens such a file again, as it opens captures of other programs.\n"
      "Of a text of more than 4,096 tokens only q and k of the first layer are computed and written; with\n"
      "--set compute.depth=\"all layers\" all layers are, without logits. --probs there needs a text short enough for it.\n"
      "Examples:\n"
      "  headroom capture --model grammar-base --text \"The cat that sat on the mat was fluffy\" --out cat.safetensors --json\n"
      "  headroom capture --model my-model/ --text-file story.txt --probs --out story.safetensors\n"
      "  headroom capture --model attentions.npz --layers 0-3 --dtype f16 --out first.safetensors\n"
      "  headroom capture --kv-heads 2 --prune 0.3,2.1 --mask causal,local_window:4 --text \"the dog is loud\" --out "
      "x.safetensors");
  command->callback([&line, options] {
    line.run = [options](const std::filesystem::path& assets) {
      const Session session = options->compute.session(assets);
      const auto snapshot = compute_now(session, {assets, false, options->max_tokens});
      const ordered_json shapes = write(*snapshot, *options);
      if (options->as_json) {
        print_summary(*snapshot, *options, shapes);
      } else {
        std::cout << "Wrote " << options->out << ": " << snapshot->seq() << " tokens, "
                  << (options->layers.empty() ? snapshot->trace->layers.size() : read_layers(options->layers).size())
                  << " layers\n";
      }
      return 0;
    };
  });
}

}  // namespace headroom

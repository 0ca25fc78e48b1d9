#include "app/commands/compute_options.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <charconv>
#include <cmath>
#include <string_view>
#include <utility>

#include "app/commands/command.h"
#include "app/window/gpu_provider.h"
#include "core/cost/kv_cache.h"
#include "core/figure/lens_figure.h"
#include "core/formats/file.h"
#include "core/formats/plain_text.h"
#include "core/formats/utf8.h"
#include "core/session/capture_source.h"
#include "core/session/engine.h"
#include "core/session/names.h"
#include "core/session/reduce.h"
#include "core/session/session_json.h"

namespace headroom {

namespace {

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  while (true) {
    const auto at = text.find(separator);
    parts.push_back(text.substr(0, at));
    if (at == std::string_view::npos) return parts;
    text.remove_prefix(at + 1);
  }
}

std::int64_t whole_number(std::string_view text, const std::string& what) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || value < 0) {
    throw UsageError(what + ": \"" + escape_for_display(text) + "\" is no whole number");
  }
  return value;
}

/// The numbers that a pattern is written with, in their order.
std::vector<std::int64_t*> numbers_of(MaskPattern& pattern) {
  switch (pattern.kind) {
    case PatternKind::kLocalWindow:
      return {&pattern.window};
    case PatternKind::kStrided:
      return {&pattern.stride};
    case PatternKind::kGlobalLocal:
      return {&pattern.n_global, &pattern.window};
    case PatternKind::kRandomBlocks:
      return {&pattern.block, &pattern.blocks_per_row};
    case PatternKind::kDense:
    case PatternKind::kHashedBuckets:
      break;
  }
  return {};
}

/// causal | bidirectional, then optionally a pattern with its numbers: "causal,local_window:4".
void apply_mask(Session& session, std::string_view text) {
  const auto parts = split(text, ',');
  const auto direction = enum_from_name<Direction>(parts[0]);
  if (!direction) {
    throw UsageError("--mask " + escape_for_display(text) + ": it begins with causal or bidirectional, e.g. causal,local_window:4");
  }
  MaskPattern pattern;
  if (parts.size() > 1) {
    const auto words = split(parts[1], ':');
    const auto kind = enum_from_name<PatternKind>(words[0]);
    if (!kind) {
      throw UsageError("--mask: there is no pattern \"" + escape_for_display(words[0]) +
                       "\"; there are dense, local_window:W, strided:K, global_local:G:W, random_blocks:SIZE:COUNT");
    }
    pattern.kind = *kind;
    const std::vector<std::int64_t*> numbers = numbers_of(pattern);
    if (words.size() - 1 > numbers.size() || parts.size() > 2) {
      throw UsageError("--mask " + escape_for_display(text) + ": too many numbers for this pattern");
    }
    for (std::size_t i = 1; i < words.size(); ++i)
      *numbers[i - 1] = whole_number(words[i], "--mask");
  }
  session = reduce(session, DirectionSet{*direction}).session;
  auto next = reduce(session, PatternSet{pattern});
  if (next.session.compute.mask.pattern != pattern) throw UsageError("--mask " + escape_for_display(text) + ": " + next.notice);
  session = std::move(next.session);
}

void apply_pruning(Session& session, std::string_view text) {
  session = reduce(session, PruningCleared{}).session;
  if (text.empty()) return;
  for (const std::string_view part : split(text, ',')) {
    const auto named = head_from_key(part);
    if (!named) throw UsageError("--prune: \"" + escape_for_display(part) + "\" should be LAYER.HEAD, e.g. 0.3,2.1");
    const HeadRef head = *named;
    const std::int64_t n_layers = layers_of(session.compute.trained, session.compute.stack);
    if (head.layer >= n_layers || head.head >= session.compute.n_heads) {
      throw UsageError("--prune " + escape_for_display(part) + ": the model has layers 0 to " + std::to_string(n_layers - 1) +
                       " with heads 0 to " + std::to_string(session.compute.n_heads - 1));
    }
    const auto& pruned = session.compute.pruned;
    if (std::find(pruned.begin(), pruned.end(), head) == pruned.end()) session = reduce(session, HeadPruneToggled{head}).session;
  }
}

void apply_capture(Session& session, const std::string& path) {
  Reduced opened = reduce(session, capture_opened(std::filesystem::absolute(path).lexically_normal()));
  if (opened.session.compute.model_source != ModelSource::kCapture) throw Error(opened.notice);
  session = std::move(opened.session);
}

void apply_model(Session& session, const std::string& model, const std::filesystem::path& assets) {
  for (const auto& bundled : list_bundled_models(assets)) {
    if (bundled.name == model) {
      session = reduce(session, ModelOpened{ModelSource::kBundled, model, bundled.shape}).session;
      return;
    }
  }
  if (is_capture_path(model)) {
    apply_capture(session, model);
    return;
  }
  const auto folder = std::filesystem::absolute(model).lexically_normal();
  session = reduce(session, ModelOpened{ModelSource::kFolder, folder.string(), read_model_shape(folder)}).session;
}

/// Applies the action that sets `field`; a value that reduce() had to change is wrong use here.
void apply_number(Session& session, const Action& action, std::int64_t Compute::*field,
                  std::pair<const char*, std::int64_t> asked) {
  const auto next = reduce(session, action);
  if (next.session.compute.*field != asked.second) {
    throw UsageError(std::string(asked.first) + " " + std::to_string(asked.second) + ": " + next.notice);
  }
  if (!next.notice.empty()) print_note(next.notice);
  session = next.session;
}

}  // namespace

void ComputeOptions::add_to(CLI::App& command) {
  command.add_option("--session", session_path, "Begin with a saved session (*.headroom.json) instead of the default one")
      ->type_name("FILE");
  command.add_option("--model", model, "A bundled model's name, a Hugging Face folder, or a capture")->type_name("DIR");
  command.add_option("--capture", capture, "A file of attention that was computed elsewhere (*.safetensors, *.npz, *.npy)")
      ->type_name("FILE");
  command.add_option("--entry", entry, "Of a capture with several texts: which, counted from 0")->type_name("N");
  command.add_option("--text", text, "The sentence")->type_name("T");
  command.add_option("--text-file", text_file, "The sentence, from a file")->type_name("FILE");
  command
      .add_option(
          "--second", second,
          "The second sentence of a pair (BERT), or what the decoder has written (T5, BART); without it the decoder writes by "
          "itself")
      ->type_name("T");
  command.add_option("--stack", stack, "Of an encoder-decoder: encoder, self (the decoder's own) or cross attention")
      ->check(CLI::IsMember({"encoder", "self", "cross"}))
      ->type_name("NAME");
  command.add_flag("--write", writes,
                   "Let the model write on first, as write.tokens, write.temperature, write.top_k, write.top_p and write.seed say");
  command.add_option("--heads", heads, "h: slice the matrices into so many heads")->type_name("N");
  command.add_option("--kv-heads", kv_heads, "Mean-pool K and V into so many heads")->type_name("N");
  command.add_option("--d-model", d_model, "Another width: seeded random (untrained) parameters")->type_name("N");
  command.add_option("--prune", prune, "Heads to remove: LAYER.HEAD,LAYER.HEAD,...")->type_name("L.H,...");
  command
      .add_option("--mask", mask,
                  "causal or bidirectional, and a pattern: local_window:W, strided:K, global_local:G:W, random_blocks:SIZE:COUNT")
      ->type_name("MASK");
  command.add_option("--backend", backend, "auto, flash, naive, reference or gl")
      ->check(CLI::IsMember({"auto", "flash", "naive", "reference", "gl"}))
      ->type_name("NAME");
  command.add_option("--set", set, "Any other value of the session, as KEY=VALUE (headroom session set --help lists the keys)")
      ->type_name("KEY=VALUE")
      ->allow_extra_args(false);
}

Session ComputeOptions::session(const std::filesystem::path& assets) const {
  Session session;
  if (!session_path.empty()) {
    auto parsed = load_session(session_path);
    for (const auto& notice : parsed.notices)
      print_note(notice);
    session = std::move(parsed.session);
  }
  if (model && capture) throw UsageError("--model and --capture cannot both be given");
  if (model) apply_model(session, *model, assets);
  if (capture) apply_capture(session, *capture);
  const bool changes_model = text || text_file || d_model || heads || kv_heads || mask || prune || backend;
  if (session.compute.model_source == ModelSource::kCapture && changes_model)
    throw UsageError(std::string(kCaptureIsFixed) +
                     " So --text, --heads, --kv-heads, --d-model, --mask, --prune and --backend go with models.");
  if (entry) session = reduce(session, BatchEntrySet{*entry}).session;
  if (text && text_file) throw UsageError("--text and --text-file cannot both be given");
  if (text || text_file) {
    auto edited = reduce(session, TextEdited{text ? *text : read_plain_text(*text_file)});
    if (!edited.notice.empty()) print_note(edited.notice);
    session = std::move(edited.session);
  }
  const auto act = [&](const Action& action) {
    Reduced reduced = reduce(session, action);
    if (!reduced.notice.empty()) print_note(reduced.notice);
    session = std::move(reduced.session);
  };
  if (second) act(SecondTextEdited{*second});
  if (stack) act(StackSet{*enum_from_name<AttentionStack>(*stack)});
  if (d_model) apply_number(session, DModelSet{*d_model}, &Compute::d_model, {"--d-model", *d_model});
  if (heads) apply_number(session, HeadsCountSet{*heads}, &Compute::n_heads, {"--heads", *heads});
  if (kv_heads) apply_number(session, KvHeadsSet{*kv_heads}, &Compute::n_kv_heads, {"--kv-heads", *kv_heads});
  if (mask) apply_mask(session, *mask);
  if (prune) apply_pruning(session, *prune);
  if (backend) session = set_session_value(session, "compute.backend", *backend).session;
  for (const std::string& pair : set) {
    const auto at = pair.find('=');
    if (at == std::string::npos) throw UsageError("--set " + escape_for_display(pair) + ": it should be KEY=VALUE");
    auto result = set_session_value(session, pair.substr(0, at), pair.substr(at + 1), assets);
    if (!result.notice.empty()) print_note(result.notice);
    session = std::move(result.session);
  }
  if (writes) {
    EngineOptions options;
    options.assets = assets;
    const auto written = Computer(std::move(options)).write({session.compute, session.write});
    act(ContinuationSet{written->ids});
  }
  return session;
}

namespace {

/// What is computed of a long text, and what the rest would take.
std::string depth_note(const Snapshot& snapshot) {
  const PassEstimate& deeper = *snapshot.deeper;
  const std::string layers = deeper.n_layers == 1 ? "the whole pass" : "all " + std::to_string(deeper.n_layers) + " layers";
  const std::string cost = "about " + std::to_string(std::max<long long>(1, std::llround(deeper.seconds))) + " s (estimated) and " +
                           bytes_text(deeper.bytes) + " of memory";
  const std::string text = "The text has " + with_thousands(snapshot.seq()) + " tokens: ";
  if (snapshot.compute.depth == Depth::kAllLayers && deeper.refusal.empty()) return text + layers + " of it take " + cost + ".";
  return text + "the first layer is computed, its heads judged by sampled rows; " + layers + " take " + cost +
         " (--set compute.depth=\"all layers\").";
}

}  // namespace

std::shared_ptr<const Snapshot> compute_now(const Session& session, const ComputeRequest& request) {
  EngineOptions options;
  options.assets = request.assets;
  options.gpu = make_gpu_provider();
  options.max_tokens = request.max_tokens;
  options.measures_held_out_loss = request.needs_held_out_loss;
  Computer computer(std::move(options));
  auto snapshot = computer.compute(session.compute, 1);
  for (auto next = computer.refine(snapshot); next != snapshot; next = computer.refine(snapshot)) {
    if (next->deeper && !snapshot->deeper) print_note(depth_note(*next));
    snapshot = std::move(next);
  }
  if (request.lens != nullptr) {
    if (const std::string why = why_no_lens(*snapshot); why.empty()) {
      request.lens->lens = computer.lens(snapshot, lens_token(session.view, *snapshot));
    } else {
      request.lens->failure = why;
    }
  }
  if (request.needs_held_out_loss) snapshot = computer.add_held_out_loss(snapshot);
  for (const auto& notice : snapshot->notices)
    print_note(notice);
  return snapshot;
}

SpeedState measure_speed_now(const Session& session, const Snapshot& snapshot, const SpeedNow& wanted) {
  EngineOptions options;
  options.assets = wanted.assets;
  options.gpu = make_gpu_provider();
  Computer computer(std::move(options));
  const SpeedRequest request = speed_request_of(session, static_cast<std::int64_t>(snapshot.seq()), wanted.section);
  SpeedState state;
  for (const SpeedPart part : request.parts) {
    try {
      state.report = computer.measure_speed(request, part);
    } catch (const Error& error) {
      state.failures[part] = error.what();
      print_note(std::string(speed_part_name(part)) + ": " + error.what());
    }
  }
  if (!state.report) throw Error("nothing could be measured: " + state.failures.begin()->second);
  return state;
}

}  // namespace headroom

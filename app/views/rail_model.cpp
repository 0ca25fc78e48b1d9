#include <imgui.h>

#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include "app/views/commands.h"
#include "app/widgets/controls.h"
#include "core/cost/kv_cache.h"
#include "core/session/model_text.h"

namespace headroom {
namespace {

std::string parameters_text(std::int64_t n) {
  std::array<char, 32> text{};
  const auto value = static_cast<double>(n);
  if (value >= 1e9) {
    std::snprintf(text.data(), text.size(), "%.2f G", value / 1e9);
  } else if (value >= 1e5) {
    std::snprintf(text.data(), text.size(), "%.2f M", value / 1e6);
  } else {
    std::snprintf(text.data(), text.size(), "%.1f k", value / 1e3);
  }
  return text.data();
}

void update_facts(const Frame& frame) {
  UiScratch::State& state = frame.state;
  const std::uint64_t version = frame.snapshot == nullptr ? 0 : frame.snapshot->version;
  if (state.facts_snapshot == version && state.facts_session == state.content_version) return;
  state.facts_snapshot = version;
  state.facts_session = state.content_version;
  const bool is_lab = frame.session.compute.parameters == ParameterSource::kLab;
  const TrainedShape& shape = frame.session.compute.trained;
  const std::string both =
      shape.kind == ModelKind::kEncoderDecoder ? std::to_string(shape.n_encoder_layers) + " + " : std::string();
  state.facts = both + std::to_string(shape.n_layers) + (both.empty() && shape.n_layers == 1 ? " layer" : " layers") +
                (is_lab ? " · untrained" : " · trained");
  const bool is_capture = frame.session.compute.model_source == ModelSource::kCapture;
  if (is_capture) {
    state.facts = both + std::to_string(shape.n_layers) + (both.empty() && shape.n_layers == 1 ? " layer of " : " layers of ") +
                  std::to_string(shape.n_heads) + (shape.n_heads == 1 ? " head" : " heads") + " · captured";
    if (frame.snapshot != nullptr && frame.snapshot->capture) {
      const CapturedText& capture = *frame.snapshot->capture;
      if (!capture.model.empty()) state.facts += " from " + imgui_drawable(capture.model, FontFace::kSans);
      state.facts += " · " + bytes_text(capture.bytes);
    }
    return;
  }
  if (frame.snapshot != nullptr) {
    state.facts += " · " + parameters_text(frame.snapshot->parameters.total()) + " parameters · " +
                   std::to_string(frame.snapshot->config.shape.vocab_size) + " words";
  }
}

/// A folder is shown by its last part; the whole path is in the tooltip.
std::string shown_name(const Compute& compute) {
  if (compute.model_source == ModelSource::kBundled) return compute.model;
  const std::filesystem::path path(compute.model);
  const std::string last = path.filename().empty() ? path.parent_path().filename().string() : path.filename().string();
  return imgui_drawable(last.empty() ? compute.model : last, FontFace::kSans);
}

}  // namespace

void rail_model(const Frame& frame) {
  heading(frame.look, "MODEL");
  const Compute& compute = frame.session.compute;
  std::vector<std::string> names, sentences;
  for (const BundledModel& model : frame.model.bundled) {
    names.push_back("rail/model/" + model.name);
    sentences.push_back(model_sentence(model.shape));
  }
  std::vector<MenuChoice> choices;
  int selected = -1;
  for (std::size_t i = 0; i < frame.model.bundled.size(); ++i) {
    const BundledModel& model = frame.model.bundled[i];
    if (compute.model_source == ModelSource::kBundled && compute.model == model.name) selected = static_cast<int>(i);
    choices.push_back({.name = names[i], .label = model.name, .tooltip = sentences[i]});
  }
  choices.push_back({.name = "rail/model/open",
                     .label = "Open…",
                     .tooltip = "A Hugging Face folder: config.json, model.safetensors and tokenizer.json of the families of "
                                "Llama, GPT-2, BERT or BART; or a capture of attention (*.safetensors, *.npz, *.npy)."});
  const std::string tip =
      "The transformer whose heads are shown\n" +
      (compute.model_source != ModelSource::kBundled ? imgui_drawable(compute.model, FontFace::kSans) + ". " : std::string()) +
      "Opening another one keeps the sentence and takes its shape.";
  const std::string value = shown_name(compute);
  const auto chosen = dropdown(frame.look, {.name = "rail/model",
                                            .tooltip = tip,
                                            .value = value,
                                            .choices = choices,
                                            .selected = selected,
                                            .width = ImGui::GetContentRegionAvail().x});
  if (chosen && *chosen != selected) {
    const auto index = static_cast<std::size_t>(*chosen);
    if (index < frame.model.bundled.size()) {
      frame.send(ModelOpened{ModelSource::kBundled, frame.model.bundled[index].name, frame.model.bundled[index].shape});
    } else {
      open_dialog(frame, DialogKind::kOpen);
    }
  }
  gap(frame.look, 4);
  update_facts(frame);
  paragraph(frame.look, frame.state.facts, small_text(frame.look));
}

}  // namespace headroom

#include "core/session/computer_state.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

/// Both texts are read whole, so neither may be longer than what is computed at once.
void cut_long(ReadText& text, std::size_t most) {
  if (text.ids.size() <= most) return;
  text.notices.push_back("An encoder-decoder is computed whole: the text was cut to its first " + std::to_string(most) +
                         " tokens of " + std::to_string(text.ids.size()) + ".");
  text.ids.resize(most);
  text.tokens.resize(most);
  std::erase_if(text.unknown, [&](const UnknownWord& word) { return word.token >= most; });
}

}  // namespace

const Translation& Computer::State::translated(const PreparedModel& model, const Compute& compute, const ReadText& source,
                                               const Control& control) {
  ReadText typed = read_target(source_of(model), compute, control.first);
  cut_long(typed, options.long_tokens);
  const bool is_same = translation.pass && translation.params == model.params_id && translation.source_ids == source.ids &&
                       translation.typed_ids == typed.ids && translation.mask == compute.mask &&
                       translation.backend == compute.backend && translation.wrote_itself == writes_itself(compute);
  if (!is_same) {
    translation = {};  // two passes need not fit at once
    ++counters.passes;
    translation = translate(model, source, typed, compute, tools(model, compute, control));
    if (translation.wrote_itself) counters.written += static_cast<int>(translation.target.n_written);
  }
  translation.target.unknown = typed.unknown;
  return translation;
}

std::shared_ptr<const Snapshot> Computer::State::translation_snapshot(const PreparedModel& opened, const Compute& compute,
                                                                      const Request& request, const Control& control) {
  PreparedModel model = opened;
  models.shape(model, compute, DrawnLayers::kAll);
  ReadText source = tokens.read;
  cut_long(source, options.long_tokens);
  translated(model, compute, source, control);
  const AttentionStack stack = compute.stack;
  const Picture& shown = picture_of(translation, stack, tools(model, compute, control));
  std::shared_ptr<Snapshot> made = describe(model, compute, shown, request);
  const ReadText& target = translation.target;
  const bool is_encoder = stack == AttentionStack::kEncoder;
  made->tokens = is_encoder ? source.tokens : target.tokens;
  made->unknown = is_encoder ? source.unknown : target.unknown;
  if (stack == AttentionStack::kCross) made->key_tokens = source.tokens;
  made->target = target.tokens;
  made->n_written = target.n_written;
  made->config = is_encoder ? encoder_config(model.params->config) : model.params->config;
  for (const LayerParams& layer : is_encoder ? model.params->encoder_layers : model.params->layers)
    made->n_kv_heads_left.push_back(std::ssize(layer.kv_heads));
  for (const std::vector<std::string>& notices : {source.notices, target.notices})
    made->notices.insert(made->notices.end(), notices.begin(), notices.end());
  return made;
}

}  // namespace headroom

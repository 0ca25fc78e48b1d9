#include "core/runs/frame_maker.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <span>

#include "core/formats/byte_level.h"
#include "core/formats/file.h"
#include "core/formats/tokenizer.h"
#include "core/formats/utf8.h"
#include "core/tensor/error.h"

namespace headroom {
namespace {

constexpr std::size_t kGuesses = 3;
constexpr int kFramesPerTranslation = 8;

/// A byte-level vocabulary's spelling as the text that it stands for.
std::string plain_bytes(std::string_view spelling) {
  std::string bytes;
  const auto& characters = byte_characters();
  for (const char32_t c : to_utf32(spelling)) {
    const auto found = std::ranges::find(characters, c);
    if (found == characters.end()) return std::string(spelling);
    bytes += static_cast<char>(found - characters.begin());
  }
  return escape_for_display(bytes);
}

std::vector<FrameGuess> likeliest(std::span<const float> logits, const std::function<std::string(std::int32_t)>& spell) {
  std::vector<std::int32_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  const std::size_t n = std::min(kGuesses, order.size());
  std::ranges::partial_sort(order, order.begin() + static_cast<std::ptrdiff_t>(n), [&](std::int32_t a, std::int32_t b) {
    const float x = logits[static_cast<std::size_t>(a)], y = logits[static_cast<std::size_t>(b)];
    return x != y ? x > y : a < b;
  });
  const double most = static_cast<double>(logits[static_cast<std::size_t>(order.front())]);
  double sum = 0;
  for (const float logit : logits)
    sum += std::exp(static_cast<double>(logit) - most);
  std::vector<FrameGuess> guesses;
  for (std::size_t i = 0; i < n; ++i) {
    const double logit = static_cast<double>(logits[static_cast<std::size_t>(order[i])]);
    guesses.push_back({spell(order[i]), static_cast<float>(std::exp(logit - most) / sum)});
  }
  return guesses;
}

std::vector<std::int32_t> ids_of(const std::vector<FrameWord>& words) {
  std::vector<std::int32_t> ids;
  for (const FrameWord& word : words)
    ids.push_back(word.id);
  return ids;
}

FrameStack empty_stack(AttentionStack stack, const ModelConfig& config, std::int64_t seq_q, std::int64_t seq_k) {
  FrameStack made;
  made.stack = stack;
  made.n_layers = stack == AttentionStack::kEncoder ? config.n_encoder_layers : config.shape.n_layers;
  made.n_heads = config.shape.n_heads;
  made.seq_q = seq_q;
  made.seq_k = seq_k;
  made.probs.resize(static_cast<std::size_t>(made.n_layers * made.n_heads * seq_q * seq_k));
  return made;
}

/// One row; of an encoder-decoder with its source.
Batch one_row(std::vector<std::int32_t> inputs, const std::vector<std::int32_t>& source) {
  Batch batch;
  batch.n_rows = 1;
  batch.seq = std::ssize(inputs);
  batch.targets.assign(inputs.size(), kIgnored);
  batch.inputs = std::move(inputs);
  batch.source_seq = std::ssize(source);
  batch.sources = source;
  if (!source.empty()) batch.source_lengths = {static_cast<std::int32_t>(source.size())};
  return batch;
}

}  // namespace

const FrameStack* TrainFrame::find(AttentionStack stack) const {
  const auto found = std::ranges::find(stacks, stack, &FrameStack::stack);
  return found == stacks.end() ? nullptr : &*found;
}

FrameWord FrameMaker::word_of(std::int32_t id) const {
  const std::string_view spelling = material_.tokenizer()->token_text(id);
  const bool is_special = spelling.size() > 2 && spelling.front() == '<' && spelling.back() == '>';
  return {.id = id,
          .text = plan_.data.kind == DataKind::kText && !is_special ? plain_bytes(spelling) : std::string(spelling),
          .is_special = is_special,
          .is_unknown = false};
}

void FrameMaker::read_held_out(std::int64_t most) {
  if (!material_.corpus) return;
  const std::int64_t length = std::min(most, plan_.row_length);
  read_.words.clear();
  for (const std::int32_t id : material_.corpus->row(Stream::kHeldOut, 0, 0, length).ids)
    read_.words.push_back(word_of(id));
  read_.notices = {"Nothing of this sentence is in the vocabulary that is trained on; a held-out row is shown instead."};
}

void FrameMaker::read(const std::string& sentence) {
  if (read_.is_there && read_.sentence == sentence) return;
  read_ = {.sentence = sentence, .words = {}, .notices = {}, .is_there = true};
  translation_.clear();
  const bool is_limited = plan_.form.positions == PositionKind::kLearned;
  const std::int64_t most = is_limited ? std::min(kMaxFrameTokens, material_.max_positions(plan_)) : kMaxFrameTokens;
  const std::int32_t bos = material_.corpus ? material_.corpus->bos_id() : -1;
  Encoding encoding;
  try {
    encoding = material_.tokenizer()->encode(sentence, static_cast<std::size_t>(most) + 1);
  } catch (const Error&) {
    read_held_out(most);
    return;
  }
  std::string unknown;
  std::size_t n_known = 0;
  for (const Token& token : encoding.tokens) {
    FrameWord word = word_of(token.id);
    word.is_special = token.is_special;
    word.is_unknown = token.is_unknown;
    if (token.is_unknown) {
      word.text = token.source;
      unknown += (unknown.empty() ? "" : ", ") + escape_for_display(token.source, 40);
    }
    n_known += !token.is_unknown && !token.is_special ? 1 : 0;
    read_.words.push_back(std::move(word));
  }
  if (n_known == 0 && material_.corpus) {
    read_held_out(most);
    return;
  }
  if (bos >= 0 && (read_.words.empty() || read_.words.front().id != bos)) {
    read_.words.insert(read_.words.begin(), word_of(bos));
  }
  if (!unknown.empty()) read_.notices.push_back("Not in the vocabulary, read as <unk>: " + unknown + ".");
  if (std::ssize(read_.words) > most) {
    read_.words.resize(static_cast<std::size_t>(most));
    read_.notices.push_back("The sentence is cut to " + std::to_string(most) + " tokens.");
  }
}

std::vector<std::int32_t> FrameMaker::translate(Network& network, const std::vector<std::int32_t>& source) const {
  const ParallelCorpus& corpus = *material_.parallel;
  std::vector<std::int32_t> ids = {corpus.bos_id()};
  const auto most = static_cast<std::size_t>(std::min(kMaxFrameTokens, corpus.max_target() + 1));
  while (ids.size() < most) {
    const LogitsAt last{0, std::ssize(ids) - 1};
    const Evaluation evaluation = network.evaluate(one_row(ids, source), {.logits_at = {&last, 1}});
    const auto best = std::ranges::max_element(evaluation.logits);
    const auto id = static_cast<std::int32_t>(best - evaluation.logits.begin());
    if (id == corpus.eos_id() || id == corpus.bos_id() || id == corpus.pad_id()) break;
    ids.push_back(id);
  }
  return ids;
}

std::shared_ptr<const TrainFrame> FrameMaker::make(Network& network, const std::string& sentence, const FrameMoment& moment) {
  read(sentence);
  auto frame = std::make_shared<TrainFrame>();
  frame->tokens = moment.tokens;
  frame->is_live = moment.is_live;
  frame->sentence = sentence;
  frame->notices = read_.notices;
  if (read_.words.empty()) return frame;

  const ModelConfig& config = network.layout().config();
  std::vector<std::int32_t> inputs = ids_of(read_.words), source;
  if (config.kind == ModelKind::kEncoderDecoder) {
    source = std::move(inputs);
    frame->source = read_.words;
    if (!moment.is_live) {
      inputs = translate(network, source);
    } else {
      if (translation_.empty() || ++translation_age_ >= kFramesPerTranslation) {
        translation_ = translate(network, source);
        translation_age_ = 0;
      }
      inputs = translation_;
    }
    for (const std::int32_t id : inputs)
      frame->words.push_back(word_of(id));
  } else {
    frame->words = read_.words;
  }

  const std::int64_t seq = std::ssize(inputs), seq_source = std::ssize(source);
  frame->stacks.push_back(empty_stack(AttentionStack::kSelf, config, seq, seq));
  if (seq_source > 0) {
    frame->stacks.push_back(empty_stack(AttentionStack::kEncoder, config, seq_source, seq_source));
    frame->stacks.push_back(empty_stack(AttentionStack::kCross, config, seq, seq_source));
  }
  std::vector<LogitsAt> all;
  for (std::int64_t i = 0; i < seq; ++i)
    all.push_back({0, i});
  EvaluationRequest request;
  request.logits_at = all;
  request.on_attention = [&](const AttentionPicture& picture) {
    for (FrameStack& stack : frame->stacks) {
      if (stack.stack != picture.stack) continue;
      float* to = stack.probs.data() + (picture.layer * stack.n_heads + picture.head) * stack.seq_q * stack.seq_k;
      for (std::int64_t q = 0; q < picture.n_queries; ++q)
        for (std::int64_t k = 0; k < picture.n_keys; ++k)
          *to++ = picture.at(q, k);
    }
  };
  const Evaluation evaluation = network.evaluate(one_row(std::move(inputs), source), request);
  const auto words = static_cast<std::size_t>(config.shape.vocab_size);
  for (std::int64_t i = 0; i < seq; ++i)
    frame->guesses.push_back(likeliest(std::span(evaluation.logits).subspan(static_cast<std::size_t>(i) * words, words),
                                       [this](std::int32_t id) { return word_of(id).text; }));
  return frame;
}

}  // namespace headroom

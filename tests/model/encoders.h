#pragma once

#include <algorithm>
#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "core/model/translation_pass.h"
#include "tests/model/models.h"

namespace headroom::test {

inline const std::string kEncodersFolder = HEADROOM_SOURCE_DIR "/tests/golden/encoders/";

/// One text of tests/golden/encoders/NAME (tests/golden/make_encoder_golden.py): what was read, and what transformers computed.
struct EncoderText {
  std::vector<std::int32_t> ids, types, source;
  std::optional<std::int64_t> length, source_length;  ///< tokens from there on are padding
  Tensor logits;                                      ///< [n, vocab], or empty
  Tensor hidden, attentions;                          ///< [layers + 1, n, d_model], [layers, heads, n, n]
  Tensor encoder_hidden, encoder_attentions, cross_attentions;

  std::int64_t n_rows() const { return length.value_or(std::ssize(ids)); }
  std::int64_t n_source_rows() const { return source_length.value_or(std::ssize(source)); }
  Mask mask() const { return bidirectional(length); }
  Mask source_mask() const { return bidirectional(source_length); }

 private:
  static Mask bidirectional(const std::optional<std::int64_t>& length) {
    Mask mask{.direction = Direction::kBidirectional};
    if (length) mask.key_lengths = {*length};
    return mask;
  }
};

inline std::vector<EncoderText> read_encoder_texts(const std::string& name) {
  const SafetensorsFile file(kEncodersFolder + name + "/golden.safetensors");
  std::vector<EncoderText> texts;
  for (int n = 0; file.find(std::to_string(n) + ".input_ids") != nullptr; ++n) {
    const std::string at = std::to_string(n) + ".";
    const auto integers = [&](const char* what) {
      std::vector<std::int32_t> values;
      if (const TensorEntry* entry = file.find(at + what))
        for (const std::int64_t value : file.read_integers(*entry))
          values.push_back(static_cast<std::int32_t>(value));
      return values;
    };
    const auto one = [&](const char* what) {
      const std::vector<std::int32_t> values = integers(what);
      return values.empty() ? std::nullopt : std::optional<std::int64_t>(values.front());
    };
    const auto floats = [&](const char* what) {
      const TensorEntry* entry = file.find(at + what);
      return entry == nullptr ? Tensor() : file.read_float(*entry);
    };
    EncoderText text{.ids = integers("input_ids"),
                     .types = integers("token_types"),
                     .source = integers("source_ids"),
                     .length = one("length"),
                     .source_length = one("source_length"),
                     .logits = floats("logits"),
                     .hidden = floats("hidden"),
                     .attentions = floats("attentions"),
                     .encoder_hidden = floats("encoder_hidden"),
                     .encoder_attentions = floats("encoder_attentions"),
                     .cross_attentions = floats("cross_attentions")};
    texts.push_back(std::move(text));
  }
  return texts;
}

/// Largest |ours - theirs| in the first n_rows rows, in parts of the largest |theirs|. Shapes  alike, or theirs [1, ours].
inline double relative_error(std::span<const float> ours, std::span<const float> theirs, std::int64_t row, std::int64_t n_rows) {
  const auto n = static_cast<std::size_t>(row * n_rows);
  if (ours.size() != theirs.size() || n > ours.size()) return INFINITY;
  double largest = 0;
  for (const float value : theirs.first(n))
    largest = std::max(largest, std::abs(static_cast<double>(value)));
  return largest_error(ours.first(n), theirs.first(n)) / largest;
}

inline double logits_error(const Tensor& ours, const EncoderText& text) {
  if (ours.shape() != text.logits.shape()) return INFINITY;
  return relative_error(ours.span(), text.logits.span(), ours.dim(1), text.source.empty() ? text.n_rows() : ours.dim(0));
}

/// Of what each layer reads, against the hidden states [layers + 1, n, d_model]: the last of those is what comes out, here left out.
inline double hidden_error(const std::vector<LayerTrace>& layers, const Tensor& theirs, std::int64_t n_rows) {
  if (theirs.rank() != 3 || theirs.dim(0) != std::ssize(layers) + 1) return INFINITY;
  const auto size = static_cast<std::size_t>(theirs.dim(1) * theirs.dim(2));
  double largest = 0;
  for (std::size_t i = 0; i < layers.size(); ++i)
    largest =
        std::max(largest, relative_error(layers[i].input.span(), theirs.span().subspan(i * size, size), theirs.dim(2), n_rows));
  return largest;
}

/// The last of the hidden states alone.
inline double last_hidden_error(const Tensor& ours, const Tensor& theirs, std::int64_t n_rows) {
  const auto size = static_cast<std::size_t>(theirs.dim(1) * theirs.dim(2));
  return relative_error(ours.span(), theirs.span().last(size), theirs.dim(2), n_rows);
}

}  // namespace headroom::test

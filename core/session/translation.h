#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "core/decoding/writer.h"
#include "core/model/translation_pass.h"
#include "core/session/models.h"
#include "core/session/texts.h"

namespace headroom {

/// An encoder-decoder's whole pass, and what is read off each of its stacks: kept, so that to look at another computes nothing anew.
struct Translation {
  // What it is of.
  std::uint64_t params = 0;
  std::vector<std::int32_t> source_ids, typed_ids;  ///< typed: with what was written after it
  Mask mask;
  BackendChoice backend = BackendChoice::kAuto;

  bool wrote_itself = false;  ///< nothing was typed for its decoder
  ReadText target;            ///< what the decoder read
  std::shared_ptr<const TranslationTrace> pass;
  PassTiming cpu;
  std::string reason;                                      ///< why this device
  std::array<std::shared_ptr<const Picture>, 3> pictures;  ///< by AttentionStack, made when looked at
};

/// Whether the decoder writes its own text, for nothing was typed for it and nothing has been written.
inline bool writes_itself(const Compute& compute) { return compute.second.empty() && compute.continuation.empty(); }

/// Most tokens that a decoder writes by itself when nothing is typed for it.
inline constexpr std::int64_t kMostAutoWritten = 48;

/// An encoder's config as of a model by itself, as encoder_alone gives it.
ModelConfig encoder_config(const ModelConfig& config);

/// The pass over both texts; the decoder writes its own, always the most probable word, where `typed` is no more than its start.
/// Errors  As translate_pass.
Translation translate(const PreparedModel& model, const ReadText& source, const ReadText& typed, const Compute& compute,
                      const PictureTools& tools);

/// What is read off one of its stacks, once.
const Picture& picture_of(Translation& translation, AttentionStack stack, const PictureTools& tools);

/// What the decoder reads of the source. Shape  [source, d_model]. Errors  as translate_pass.
Tensor encode_source(const PreparedModel& model, const ReadText& source, const Mask& mask, Devices& devices, std::stop_token stop);

/// Writes on after `target`, of which the encoder reads `source`. As write_on.
struct DecoderJob {
  const ReadText& source;
  const ReadText& target;
  const Mask& mask;  ///< of the encoder
  WriteJob write;
};
std::vector<std::int32_t> write_translation(const PreparedModel& model, const DecoderJob& job, Devices& devices);

}  // namespace headroom

#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/decoding/cache_quality.h"
#include "core/decoding/decode_growth.h"
#include "core/decoding/decode_run.h"
#include "core/formats/tokenizer.h"
#include "core/kv_cache/batch_run.h"
#include "core/session/session.h"

namespace headroom {

// What the Decode stage asks for. Answers come as they grow: each is a value of its own, the last one is finished.

/// The model generates with a cache and without, after all that `compute` has read.
struct DecodeRequest {
  Compute compute;
  DecodePlan plan;
  WritePlan write;  ///< how words are drawn; its number of tokens is not read

  bool operator==(const DecodeRequest&) const = default;
};
struct Decoded {
  DecodeRequest request;
  std::shared_ptr<const DecodeRun> run;  ///< as far as it is
  std::vector<Token> tokens;             ///< of the text that was read, then those written: as many as the run's prompt and steps
};

/// Time of one more token over the tokens before it.
struct DecodeGrowthRequest {
  Compute compute;  ///< its text is not read, but that of an encoder-decoder, which its decoder reads
  KvCacheOptions cache;

  bool operator==(const DecodeGrowthRequest&) const = default;
};
struct DecodedGrowth {
  DecodeGrowthRequest request;
  std::shared_ptr<const DecodeGrowth> growth;
};

/// What each way to keep less costs in loss.
struct QualityRequest {
  Compute compute;                     ///< its text is read only where the model cannot read the held-out one
  KvCacheOptions cache;                ///< one more choice beside the curves, where it is none of theirs
  std::vector<QualityChoice> choices;  ///< empty: quality_curves
  std::int64_t most_tokens = 12800;    ///< predicted ones

  bool operator==(const QualityRequest&) const = default;
};
struct Quality {
  QualityRequest request;
  std::shared_ptr<const QualityReport> report;
  std::string text;  ///< what was predicted: "the held-out text", "the sentence"
};

/// Many requests that share a memory.
struct BatchWish {
  Compute compute;  ///< whose K and V they keep; its text is not read
  BatchPlan plan;
  KvCacheOptions cache;  ///< its number format and the tokens of a page

  bool operator==(const BatchWish&) const = default;
};
struct Batched {
  BatchWish request;
  std::int64_t token_bytes = 0;  ///< of one token in all layers, in that format
  std::shared_ptr<const BatchRun> run;
};

enum class DecodePart { kSteps, kGrowth, kQuality, kBatch };
const char* decode_part_name(
    DecodePart part);  ///< what is done for it: "generating", "time over position", "quality of caches", "requests"

/// What is known for the Decode stage, for views. What was asked for another session stands until there is something newer: each answer
/// holds its request.
struct DecodeState {
  std::shared_ptr<const Decoded> decoded;
  std::shared_ptr<const DecodedGrowth> growth;
  std::shared_ptr<const Quality> quality;
  std::shared_ptr<const Batched> batch;
  /// One sentence when the newest wish of each DecodePart failed.
  std::array<std::string, 4> failures;

  const std::string& failure(DecodePart part) const { return failures[static_cast<std::size_t>(part)]; }
  bool operator==(const DecodeState&) const = default;
};

/// What a Session's Decode stage asks for.
DecodeRequest decode_request(const Session& session);
DecodeGrowthRequest decode_growth_request(const Session& session);
QualityRequest quality_request(const Session& session);
BatchWish batch_wish(const Session& session);

}  // namespace headroom

#pragma once

#include <cstdint>

namespace headroom {

// Limits of what a TrainPlan can ask for; settle brings other values to the nearest end.
inline constexpr std::int64_t kMaxTrainLayers = 24;
inline constexpr std::int64_t kMaxTrainDModel = 1024;
inline constexpr std::int64_t kLeastTrainVocabulary = 258;  ///< kLeastTextVocabulary of core/corpus/text_corpus.h
inline constexpr std::int64_t kMaxTrainVocabulary = 65536;
inline constexpr std::int64_t kMaxTrainTokens = 1'000'000'000'000;
inline constexpr std::int64_t kLeastTrainRow = 8, kMaxTrainRow = 1024;
inline constexpr std::int64_t kMaxTrainRows = 4096;

}  // namespace headroom

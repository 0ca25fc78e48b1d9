#pragma once

#include "core/formats/component_json.h"

namespace headroom {

/// What the Metaspace pre-tokenizer and decoder are told. Older files say add_prefix_space where newer ones say prepend_scheme; str_rep
/// repeats the replacement.
struct MetaspaceOptions {
  enum class Prepend { kAlways, kFirst, kNever };
  enum class Words { kSplit, kWhole };
  char32_t replacement = 0x2581;       ///< "▁", which stands for a space
  Prepend prepend = Prepend::kAlways;  ///< kFirst: only where the text begins
  Words words = Words::kSplit;
};

MetaspaceOptions read_metaspace(const JsonValue& json, const ComponentPlace& place);
/// Spaces become the replacement, one is put before the text, and every word begins with one.
std::unique_ptr<PreTokenizer> make_metaspace(const MetaspaceOptions& options);

}  // namespace headroom

#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "core/formats/json_value.h"
#include "core/model/params.h"
#include "core/tensor/error.h"

namespace headroom {

/// An MLP has an activation that no program knows by this name: only what comes before the first MLP can be computed.
class UnknownActivation : public Error {
 public:
  UnknownActivation(const std::string& sentence, std::string field) : Error(sentence), field_(std::move(field)) {}
  /// The member of config.json that names it.
  const std::string& field() const { return field_; }

 private:
  std::string field_;
};

/// Getters over a config.json that believe nothing: each answers a checked value or throws a sentence with file and field. Null counts as
/// absent.
class ConfigReader {
 public:
  struct Range {
    std::int64_t low;
    std::int64_t high;
  };

  /// `root` must outlive the reader; `file` is how messages name it.
  ConfigReader(const JsonValue& root, std::string file) : root_(root), file_(std::move(file)) {}

  [[noreturn]] void fail(const std::string& what) const;
  const JsonValue* set(const char* name) const { return root_.find_set(name); }
  bool is_null(const char* name) const;
  std::int64_t integer(const char* name, Range range, std::optional<std::int64_t> absent = {}) const;
  /// The same under either of two names, as families spell it. Errors  Error also when both are there and differ.
  std::int64_t integer(const char* name, const char* other, Range range, std::optional<std::int64_t> absent = {}) const;
  bool flag(const char* name, bool absent) const;
  /// A number in [low, high] that survives as float32.
  float real(const JsonValue& value, const std::string& name, double low, double high) const;
  float real(const char* name, double low, double high, float absent) const;
  /// Errors  Error unless the flag is absent or `wanted`; `why` ends the sentence.
  void require_flag(const char* name, bool wanted, const char* why) const;
  /// The activation of an MLP without a gate ("gelu", "gelu_new", "relu", "silu", ...). Errors  UnknownActivation for another
  /// name, Error for what is none.
  MlpKind activation(const char* name, const char* absent) const;
  /// The same for a name that was found elsewhere; nothing for another.
  static std::optional<MlpKind> activation_named(std::string_view name);
  /// d_model / n_heads. Errors  Error when it is not whole or larger than this program supports.
  std::int64_t head_size(std::int64_t d_model, std::int64_t n_heads) const;
  /// A whole number in [low, high] of each size that all families share.
  static constexpr Range kVocabulary{1, 10000000}, kWidth{1, 65536}, kMlpWidth{0, 1048576}, kLayers{1, 1000}, kHeads{1, 4096},
      kPositions{1, INT32_MAX};

 private:
  const JsonValue& root_;
  std::string file_;
};

}  // namespace headroom

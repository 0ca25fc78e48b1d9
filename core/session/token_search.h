#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/session/snapshot.h"

namespace headroom {

/// Looks for words among a snapshot's tokens, a stretch of the text at a time, so that no frame waits for a long text.
///
/// A token is found when an occurrence of the words in the text begins in it (or in the white space before it), however many tokens the
/// words take; added and unknown tokens also by their spelling, such as <unk>. Small letters find capitals too, a capital only itself; a
/// space finds any white space.
class TokenSearch {
 public:
  /// Begins again, unless these words are already looked for in these tokens.
  /// Edge  Empty words find nothing.
  void look_for(const std::shared_ptr<const Snapshot>& snapshot, std::string_view words);
  /// Looks through about so many more bytes of the text. True when the whole of it has been looked through.
  bool step(std::size_t bytes);
  /// Looks through the rest.
  void finish();
  bool is_done() const { return !snapshot_ || words_.empty() || next_ >= snapshot_->tokens.size(); }

  /// Token indices, ascending, as far as was looked.
  const std::vector<std::int64_t>& found() const { return found_; }
  bool has(std::int64_t token) const;
  /// Its place among those found, counted from 0.
  std::optional<std::size_t> place_of(std::int64_t token) const;
  /// The nearest one found after `token` or before it, going on at the other end of the text. Nothing when none is found.
  std::optional<std::int64_t> after(std::optional<std::int64_t> token) const;
  std::optional<std::int64_t> before(std::optional<std::int64_t> token) const;

 private:
  char32_t folded(char32_t code_point) const;
  bool begins_at(std::string_view text, std::size_t at) const;
  bool occurs_in(std::string_view text, std::size_t from, std::size_t to) const;

  std::shared_ptr<const Snapshot> snapshot_;
  std::string words_;
  std::u32string folded_words_;
  bool minds_capitals_ = false;
  std::size_t next_ = 0;  ///< the first token not yet looked at
  std::size_t from_ = 0;  ///< byte after the last one looked at
  std::vector<std::int64_t> found_;
};

}  // namespace headroom

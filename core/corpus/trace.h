#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "core/corpus/machine.h"

namespace headroom {

/// Writes down, while a sampler speaks, what each word is, which phrases hold it, where a reader should look and what can be asked.
class Trace {
 public:
  explicit Trace(const Grammar& grammar) : grammar_(grammar) {}

  /// A word before any rule: <bos>. What was said before is another document's.
  void document_began(WordId bos);

  void said(const RuleItem& item, const MachineState& state, const SaidWord& word);
  void linked(const RuleItem& item, const MachineState& state);
  void phrase_began(Phrase phrase);
  void phrase_ended();
  void listed(const MachineState& state);
  void said_again(const MachineState& state, std::size_t at, bool is_certain);
  void remembering();
  void repeated(const MachineState& state, std::size_t at);

  /// Leaves out everything from token `length` on.
  void cut(std::int64_t length);

  std::vector<SentenceWord> words;
  std::vector<Constituent> constituents;
  std::vector<Link> links;
  std::vector<Choice> choices;

 private:
  std::int32_t position() const { return static_cast<std::int32_t>(words.size()); }
  std::int32_t place_of(const RuleLink& link, const MachineState& state) const;
  void add_link(const RuleLink& link, const MachineState& state, std::int32_t query);
  void ask_agreement(const Link& link, const MachineState& state, const SaidWord& verb);
  void ask_reference(const Link& link);
  void ask_copy(std::int32_t query, std::span<const WordId> others);
  SentenceWord describe(const MachineState& state, const SaidWord& word) const;

  const Grammar& grammar_;
  std::array<std::int32_t, kMaxEntities> last_mention_{};  ///< noun or first name of an entity
  std::array<std::int32_t, kMaxEntities> last_surname_{};
  std::array<std::int32_t, kMaxRegisters> marks_{};
  std::array<std::int32_t, kMaxListWords> listed_at_{};
  std::array<std::int32_t, kMaxRemembered> remembered_at_{};
  std::vector<std::int32_t> open_;  ///< constituents that have not ended
  std::int32_t remember_begin_ = 0;
  std::int32_t copy_of_ = -1;  ///< the token that the next word copies
  bool is_copy_certain_ = false;
  SaidWord last_{};
};

}  // namespace headroom

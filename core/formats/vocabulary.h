#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace headroom {

/// Spelling to id and back. Two spellings may have one id; ids may have gaps.
class Vocabulary {
 public:
  enum class Spelling { kFirst, kLast };  ///< which of two spellings of one id text_of gives

  void reserve(std::size_t n_entries);
  /// A spelling that is there already gets the new id.
  void add(std::string_view text, std::int32_t id, Spelling spelling = Spelling::kFirst);
  std::int32_t id_of(std::string_view text) const;  ///< -1 when there is none
  std::string_view text_of(std::int32_t id) const;  ///< "" when there is none
  std::int64_t size() const { return max_id_ + 1; }
  std::size_t n_entries() const { return entries_.size(); }
  const std::vector<std::pair<std::string, std::int32_t>>& entries() const { return entries_; }  ///< in file order
  std::size_t longest() const { return longest_; }                                               ///< bytes of the longest spelling

 private:
  std::size_t slot_of(std::string_view text) const;
  void grow(std::size_t n_slots);

  std::vector<std::pair<std::string, std::int32_t>> entries_;
  std::vector<std::uint32_t> slots_;                        // a hash table of entries, open addressing: 1 + the entry, 0 where free
  std::vector<std::uint32_t> dense_;                        // [id] 1 + the entry, for small ids
  std::unordered_map<std::int32_t, std::uint32_t> sparse_;  // the same for the others
  std::int64_t max_id_ = -1;
  std::size_t longest_ = 0;
};

}  // namespace headroom

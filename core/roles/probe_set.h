#pragma once

#include <cstdint>
#include <vector>

#include "core/roles/probes.h"
#include "core/roles/report.h"
#include "core/training/batch.h"

namespace headroom::roles_detail {

/// One query of one row and the keys that are right, a range of RoleCaseList::keys.
struct RoleCase {
  std::int32_t row = 0, query = 0;
  std::int32_t first_key = 0, n_keys = 0;
};

/// What a query can see: what is not after it; or all of its row.
enum class Sight { kBack, kAll };

/// All cases of one role in one batch, by row and then by query, with what can be had without looking.
struct RoleCaseList {
  const Role* role = nullptr;
  std::vector<RoleCase> cases;
  std::vector<std::int32_t> keys;
  double baseline = 0;
  std::int64_t offset = 0;
  double chance = 0;

  /// Keys that are right at one query, all different; none: no case. Calls come by rows, and within a row by queries.
  void add(std::int32_t row, std::int32_t query, const std::vector<std::int32_t>& right);
};

/// Fills baseline, offset and chance. `n_keys` of each row: how many keys its queries can see under kAll.
void measure_baseline(RoleCaseList& list, Sight sight, const std::vector<std::int32_t>& n_keys);

/// Which of these answers is likeliest at a position? The first is right; alone it must beat the whole vocabulary.
struct Answer {
  Behaviour behaviour = Behaviour::kAgreement;
  LogitsAt at;
  std::vector<std::int32_t> ids;
};

Behaviour behaviour_of(Question question);

/// At most so many answers of each behaviour, evenly spread over what there was.
void thin(std::vector<Answer>& answers, std::int64_t most);

enum class PartLoss { kNotCounted, kHeldOut };

/// One batch and what is read off it.
struct ProbePart {
  Batch batch;
  PartLoss loss = PartLoss::kNotCounted;
  std::vector<RoleCaseList> roles;  ///< empty: attention is not looked at
  std::vector<Answer> answers;
};

struct ProbeSet {
  ModelKind kind = ModelKind::kCausal;
  ProbeOptions options;
  std::vector<std::int64_t>
      rows;  ///< which rows of the held-out stream are read, in the batch's order; the first options.rows are 0, 1, ...
  std::vector<ProbePart> parts;
  double floor = 0;
  bool has_floor = false;
};

/// Alignment, neighbours and questions of held-out pairs.
void add_translation(ProbeSet& set, const ParallelCorpus& corpus);

/// Rows of words that say a random segment of different words again and again, each row with a period of its own, so that no fixed
/// distance leads from a word to its last mention.
struct RandomRows {
  std::vector<std::vector<std::int32_t>> rows;  ///< [n_rows][length]; begin with <bos> where the corpus has one
  std::vector<std::int64_t> periods;            ///< [n_rows]
  std::int64_t first = 0;                       ///< position of the first random word: 1 behind <bos>, else 0
};
/// No rows where length or vocabulary are too small for a period of 3 said twice.
RandomRows draw_random_rows(const Corpus& corpus, const ProbeOptions& options);

/// Ids of the words that carry meaning: of a grammar its nouns and names, else all but the special tokens.
std::vector<std::int32_t> content_ids(const Corpus& corpus, const ProbeOptions& options);

/// The parts of random repeated rows: induction, duplicate, previous and next token, random copying. Nothing where there are no
/// such rows.
void add_random_part(ProbeSet& set, const Corpus& corpus);

}  // namespace headroom::roles_detail

#include <algorithm>
#include <numeric>
#include <random>
#include <utility>

#include "core/corpus/repeats.h"
#include "core/roles/probe_set.h"

namespace headroom::roles_detail {
namespace {

constexpr std::int64_t kShortestPeriod = 3;
/// Shorter ones are used only where rows leave no choice: at a short distance attention that is merely broad looks like induction.
constexpr std::int64_t kUsualPeriod = 6;

/// Fisher and Yates's shuffle with a generator that the standard fixes, so that the rows are the same everywhere.
void shuffle(std::vector<std::int32_t>& ids, std::mt19937_64& random) {
  for (std::size_t i = ids.size(); i > 1; --i)
    std::swap(ids[i - 1], ids[random() % i]);
}

/// A period for each row, evenly spread.
std::int64_t period_of(std::int64_t row, std::int64_t n_rows, std::int64_t longest) {
  const std::int64_t shortest = std::min(kUsualPeriod, longest);
  return n_rows < 2 ? (shortest + longest) / 2 : shortest + (longest - shortest) * row / (n_rows - 1);
}

/// Positions of one row of random words that a query may be held against.
class RandomRow {
 public:
  RandomRow(const RandomRows& rows, std::size_t row)
      : first_(rows.first), period_(rows.periods[row]), n_(std::ssize(rows.rows[row])) {}

  /// Tokens right after earlier mentions.
  std::vector<std::int32_t> followers(std::int64_t query) const {
    std::vector<std::int32_t> found;
    for (std::int64_t key = query - period_; key >= first_; key -= period_)
      found.push_back(static_cast<std::int32_t>(key + 1));
    return found;
  }
  /// Mentions of the same token, those behind the query too where it is seen.
  std::vector<std::int32_t> mentions(std::int64_t query, Sight sight) const {
    std::vector<std::int32_t> found;
    for (std::int64_t key = query - period_; key >= first_; key -= period_)
      found.push_back(static_cast<std::int32_t>(key));
    if (sight == Sight::kAll && query >= first_)
      for (std::int64_t key = query + period_; key < n_; key += period_)
        found.push_back(static_cast<std::int32_t>(key));
    return found;
  }

 private:
  std::int64_t first_, period_, n_;
};

std::vector<std::int32_t> right_keys(const Role& role, const RandomRow& row, std::int64_t query, std::int64_t n, Sight sight) {
  switch (role.cases) {
    case RoleCases::kInduction:
      return row.followers(query);
    case RoleCases::kDuplicate:
      return row.mentions(query, sight);
    case RoleCases::kPreviousToken:
      return query > 0 ? std::vector{static_cast<std::int32_t>(query - 1)} : std::vector<std::int32_t>{};
    case RoleCases::kNextToken:
      return query + 1 < n ? std::vector{static_cast<std::int32_t>(query + 1)} : std::vector<std::int32_t>{};
    default:
      return {};
  }
}

}  // namespace

std::vector<std::int32_t> content_ids(const Corpus& corpus, const ProbeOptions& options) {
  std::vector<std::int32_t> ids = content_words(corpus, {options.seed, options.length});
  // A corpus whose rows do not say what its words mean: all of them count.
  if (ids.empty()) {
    ids.resize(static_cast<std::size_t>(corpus.vocab_size()));
    std::iota(ids.begin(), ids.end(), 0);
  }
  for (const std::int32_t special : {corpus.bos_id(), corpus.unknown_id(), corpus.mask_id(), corpus.pad_id()})
    std::erase(ids, special);
  return ids;
}

RandomRows draw_random_rows(const Corpus& corpus, const ProbeOptions& options) {
  RandomRows drawn;
  drawn.first = corpus.bos_id() >= 0 ? 1 : 0;
  std::vector<std::int32_t> pool = content_ids(corpus, options);
  const std::int64_t longest = std::min((options.length - drawn.first - 2) / 2, std::ssize(pool));
  if (longest < kShortestPeriod) return drawn;
  std::mt19937_64 random(options.seed + 1);
  for (std::int64_t r = 0; r < options.random_rows; ++r) {
    shuffle(pool, random);
    const std::int64_t period = period_of(r, options.random_rows, longest);
    std::vector<std::int32_t> row(static_cast<std::size_t>(options.length), corpus.bos_id());
    for (std::int64_t i = drawn.first; i < options.length; ++i)
      row[static_cast<std::size_t>(i)] = pool[static_cast<std::size_t>((i - drawn.first) % period)];
    drawn.rows.push_back(std::move(row));
    drawn.periods.push_back(period);
  }
  return drawn;
}

void add_random_part(ProbeSet& set, const Corpus& corpus) {
  const RandomRows random = draw_random_rows(corpus, set.options);
  if (random.rows.empty()) return;
  const std::int64_t n = set.options.length;
  const Sight sight = set.kind == ModelKind::kCausal ? Sight::kBack : Sight::kAll;
  ProbePart part;
  part.batch.n_rows = std::ssize(random.rows);
  part.batch.seq = n;
  for (const std::vector<std::int32_t>& row : random.rows)
    part.batch.inputs.insert(part.batch.inputs.end(), row.begin(), row.end());
  part.batch.targets.assign(part.batch.inputs.size(), kIgnored);

  for (const Role& role : roles(set.kind)) {
    RoleCaseList list;
    list.role = &role;
    for (std::size_t r = 0; r < random.rows.size(); ++r) {
      const RandomRow row(random, r);
      for (std::int64_t query = 0; query < n; ++query)
        list.add(static_cast<std::int32_t>(r), static_cast<std::int32_t>(query), right_keys(role, row, query, n, sight));
    }
    if (list.cases.empty()) continue;
    measure_baseline(list, sight, std::vector<std::int32_t>(random.rows.size(), static_cast<std::int32_t>(n)));
    part.roles.push_back(std::move(list));
  }

  if (set.kind == ModelKind::kCausal) {
    for (std::size_t r = 0; r < random.rows.size(); ++r)
      for (std::int64_t i = random.first + random.periods[r]; i + 1 < n; ++i)
        part.answers.push_back(
            {Behaviour::kRandomCopying, {static_cast<std::int64_t>(r), i}, {random.rows[r][static_cast<std::size_t>(i + 1)]}});
    thin(part.answers, set.options.most_choices);
  }
  set.parts.push_back(std::move(part));
}

}  // namespace headroom::roles_detail

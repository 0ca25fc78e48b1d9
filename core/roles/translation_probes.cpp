#include <algorithm>
#include <utility>

#include "core/corpus/translation.h"
#include "core/roles/probe_set.h"
#include "core/training/batches.h"

namespace headroom::roles_detail {
namespace {

std::vector<std::int32_t> parallel_keys(const Role& role, std::int32_t query, std::int32_t n) {
  switch (role.cases) {
    case RoleCases::kPreviousToken:
      return query > 0 ? std::vector{query - 1} : std::vector<std::int32_t>{};
    case RoleCases::kNextToken:
      return query + 1 < n ? std::vector{query + 1} : std::vector<std::int32_t>{};
    case RoleCases::kFirstToken:
      return query > 0 ? std::vector{0} : std::vector<std::int32_t>{};
    default:
      return {};
  }
}

/// How many tokens of a pair a stack reads: no padding. The decoder reads <bos> and the target.
std::int32_t length_in(AttentionStack stack, const ParallelRow& pair) {
  return static_cast<std::int32_t>(stack == AttentionStack::kEncoder ? pair.source.size() : pair.target.size() + 1);
}

}  // namespace

void add_translation(ProbeSet& set, const ParallelCorpus& corpus) {
  std::vector<ParallelRow> pairs;
  for (std::int64_t index = 0; index < set.options.rows; ++index)
    pairs.push_back(corpus.row(Stream::kHeldOut, set.options.seed, index));
  ProbePart part;
  part.loss = PartLoss::kHeldOut;
  part.batch = parallel_batch(corpus, {Stream::kHeldOut, set.options.seed, 0, set.options.rows}, {.unknown_share = 0});

  std::vector<std::int32_t> source_lengths;
  for (const ParallelRow& pair : pairs)
    source_lengths.push_back(static_cast<std::int32_t>(pair.source.size()));
  for (const Role& role : roles(set.kind)) {
    RoleCaseList list;
    list.role = &role;
    for (std::size_t r = 0; r < pairs.size(); ++r) {
      const auto row = static_cast<std::int32_t>(r);
      if (role.cases == RoleCases::kAlignment) {
        // The decoder's input begins with <bos>, so the position that is to produce a word has the word's own index.
        std::vector<Link> links = pairs[r].alignment;
        std::ranges::sort(links, {}, [](const Link& link) { return std::pair(link.query, link.key); });
        for (const Link& link : links)
          list.add(row, link.query, {link.key});
        continue;
      }
      const std::int32_t n = length_in(role.stack, pairs[r]);
      for (std::int32_t query = 0; query < n; ++query)
        list.add(row, query, parallel_keys(role, query, n));
    }
    if (list.cases.empty()) continue;
    measure_baseline(list, role.stack == AttentionStack::kSelf ? Sight::kBack : Sight::kAll, source_lengths);
    part.roles.push_back(std::move(list));
  }

  double surprisals = 0;
  std::int64_t n_targets = 0;
  set.has_floor = true;
  for (std::size_t r = 0; r < pairs.size(); ++r) {
    const auto row = static_cast<std::int64_t>(r);
    for (const Choice& choice : pairs[r].choices)
      part.answers.push_back({behaviour_of(choice.question), {row, choice.position}, choice.ids});
    for (std::size_t i = 0; i <= pairs[r].target.size(); ++i) {
      const std::int32_t id = part.batch.targets[static_cast<std::size_t>(row * part.batch.seq) + i];
      part.answers.push_back({Behaviour::kTokens, {row, static_cast<std::int64_t>(i)}, {id}});
    }
    for (const float surprisal : pairs[r].surprisals)
      surprisals += surprisal;
    n_targets += std::ssize(pairs[r].target) + 1;
    set.has_floor = set.has_floor && pairs[r].surprisals.size() == pairs[r].target.size() + 1;
  }
  if (set.has_floor) set.floor = surprisals / static_cast<double>(n_targets);
  thin(part.answers, set.options.most_choices);
  set.parts.push_back(std::move(part));
}

}  // namespace headroom::roles_detail

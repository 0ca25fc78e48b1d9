#include "core/roles/probes.h"

#include <algorithm>
#include <array>
#include <compare>
#include <span>
#include <string>
#include <utility>

#include "core/corpus/translation.h"
#include "core/roles/probe_set.h"
#include "core/tensor/error.h"
#include "core/training/batches.h"

namespace headroom {
namespace roles_detail {

void thin(std::vector<Answer>& answers, std::int64_t most) {
  std::array<std::int64_t, kBehaviours.size()> total{}, seen{};
  for (const Answer& answer : answers)
    ++total[static_cast<std::size_t>(answer.behaviour)];
  std::erase_if(answers, [&](const Answer& answer) {
    const auto which = static_cast<std::size_t>(answer.behaviour);
    const std::int64_t index = seen[which]++, n = total[which];
    if (n <= most) return false;
    // Kept are those at which index * most / n goes up: exactly `most` of n.
    return index * most / n == (index + 1) * most / n;
  });
}

Behaviour behaviour_of(Question question) {
  switch (question) {
    case Question::kAgreement:
      return Behaviour::kAgreement;
    case Question::kAgreementAcrossDistractor:
      return Behaviour::kAgreementAcrossDistractor;
    case Question::kCoreference:
      return Behaviour::kCoreference;
    case Question::kCopying:
      return Behaviour::kCopying;
    case Question::kSurname:
      break;
  }
  return Behaviour::kSurname;
}

namespace {

/// Where a link is read and what is right there; nothing where it cannot be read so.
struct Reading {
  std::int32_t query = -1, key = -1;
  auto operator<=>(const Reading&) const = default;
};
Reading reading_of(const Link& link, RoleAt at) {
  switch (at) {
    case RoleAt::kQuery:
      return {link.query, link.key};
    case RoleAt::kBefore:
      // Where the right word is the one that is read, there is nothing to look back for.
      return link.key < link.query - 1 ? Reading{link.query - 1, link.key} : Reading{};
    case RoleAt::kKey:
      break;
  }
  return {link.key, link.query};
}

/// Right keys of one row for one role: all links with the same reading position are one case.
void add_links(RoleCaseList& list, std::int32_t row, std::span<const Link> links) {
  std::vector<Reading> readings;
  for (const Link& link : links) {
    if (link.relation != list.role->relation) continue;
    if (const Reading reading = reading_of(link, list.role->at); reading.query >= 0) readings.push_back(reading);
  }
  std::ranges::sort(readings);
  readings.erase(std::unique(readings.begin(), readings.end()), readings.end());
  for (std::size_t i = 0; i < readings.size();) {
    std::vector<std::int32_t> right;
    const std::int32_t query = readings[i].query;
    for (; i < readings.size() && readings[i].query == query; ++i)
      right.push_back(readings[i].key);
    list.add(row, query, right);
  }
}

/// How many links of each relation, then choices of each question.
using CaseCounts = std::array<std::int64_t, kRelationCount + kQuestionCount>;
CaseCounts cases_in(const CorpusRow& row) {
  CaseCounts counts{};
  for (const Link& link : row.links)
    ++counts[static_cast<std::size_t>(link.relation)];
  for (const Choice& choice : row.choices)
    ++counts[kRelationCount + static_cast<std::size_t>(choice.question)];
  return counts;
}

/// Held-out rows as they are; the targets are nothing yet.
struct HeldOut {
  std::vector<std::int64_t> indices;
  std::vector<CorpusRow> rows;
  Batch batch;

  void add(std::int64_t index, CorpusRow row) {
    indices.push_back(index);
    batch.inputs.insert(batch.inputs.end(), row.ids.begin(), row.ids.end());
    batch.targets.resize(batch.inputs.size(), kIgnored);
    ++batch.n_rows;
    rows.push_back(std::move(row));
  }
};

HeldOut read_rows(const Corpus& corpus, const ProbeOptions& options) {
  HeldOut held_out;
  held_out.batch.seq = options.length;
  CaseCounts counts{};
  const auto count = [&](const CaseCounts& more) {
    for (std::size_t i = 0; i < counts.size(); ++i)
      counts[i] += more[i];
  };
  const auto read = [&](std::int64_t index) { return corpus.row(Stream::kHeldOut, options.seed, index, options.length); };
  for (std::int64_t index = 0; index < options.rows; ++index) {
    held_out.add(index, read(index));
    count(cases_in(held_out.rows.back()));
  }
  if (std::ranges::count(counts, 0) == std::ssize(counts)) return held_out;  // nothing is known of this corpus's rows
  for (std::int64_t index = options.rows; index < options.searched_rows; ++index) {
    if (std::ranges::none_of(counts, [&](std::int64_t n) { return n < options.wanted_cases; })) break;
    CorpusRow row = read(index);
    const CaseCounts more = cases_in(row);
    bool is_wanted = false;
    for (std::size_t i = 0; i < counts.size(); ++i)
      is_wanted = is_wanted || (more[i] > 0 && counts[i] < options.wanted_cases);
    if (!is_wanted) continue;
    count(more);
    held_out.add(index, std::move(row));
  }
  return held_out;
}

std::vector<RoleCaseList> link_cases(const HeldOut& held_out, ModelKind kind) {
  const Sight sight = kind == ModelKind::kCausal ? Sight::kBack : Sight::kAll;
  const auto n = static_cast<std::int32_t>(held_out.batch.seq);
  std::vector<RoleCaseList> lists;
  for (const Role& role : roles(kind)) {
    RoleCaseList list;
    list.role = &role;
    for (std::size_t r = 0; r < held_out.rows.size(); ++r) {
      const auto row = static_cast<std::int32_t>(r);
      if (role.cases == RoleCases::kRelation) add_links(list, row, held_out.rows[r].links);
      if (role.cases == RoleCases::kFirstToken)
        for (std::int32_t query = 1; query < n; ++query)
          list.add(row, query, {0});
    }
    if (list.cases.empty()) continue;
    measure_baseline(list, sight, std::vector<std::int32_t>(held_out.rows.size(), n));
    lists.push_back(std::move(list));
  }
  return lists;
}

void add_causal(ProbeSet& set, const Corpus& corpus) {
  HeldOut held_out = read_rows(corpus, set.options);
  ProbePart part;
  part.roles = link_cases(held_out, set.kind);
  const std::int64_t n = set.options.length;
  double surprisals = 0;
  for (std::size_t r = 0; r < held_out.rows.size(); ++r) {
    const CorpusRow& row = held_out.rows[r];
    for (const Choice& choice : row.choices)
      part.answers.push_back({behaviour_of(choice.question), {static_cast<std::int64_t>(r), choice.position - 1}, choice.ids});
    // Rows that were added for their cases are not what the corpus is on average: the loss is not theirs.
    if (static_cast<std::int64_t>(r) >= set.options.rows) continue;
    std::copy(row.ids.begin() + 1, row.ids.end(), held_out.batch.targets.begin() + static_cast<std::int64_t>(r) * n);
    for (std::size_t i = 1; i < row.surprisals.size(); ++i)
      surprisals += row.surprisals[i];
  }
  thin(part.answers, set.options.most_choices);
  part.batch = std::move(held_out.batch);
  set.rows = std::move(held_out.indices);
  part.loss = PartLoss::kHeldOut;
  set.has_floor = corpus.has_known_floor() && n > 1;
  if (set.has_floor) set.floor = surprisals / static_cast<double>(set.options.rows * (n - 1));
  set.parts.push_back(std::move(part));
}

/// Each question in a row of its own, in which the token that is asked for, and nothing else, is hidden.
ProbePart hidden_choices(const HeldOut& held_out, const Corpus& corpus, std::int64_t most) {
  ProbePart part;
  std::vector<Answer> all;
  for (std::size_t r = 0; r < held_out.rows.size(); ++r)
    for (const Choice& choice : held_out.rows[r].choices)
      all.push_back({behaviour_of(choice.question), {static_cast<std::int64_t>(r), choice.position}, choice.ids});
  thin(all, most);
  part.batch.seq = held_out.batch.seq;
  for (Answer& answer : all) {
    std::vector<std::int32_t> ids = held_out.rows[static_cast<std::size_t>(answer.at.row)].ids;
    ids[static_cast<std::size_t>(answer.at.position)] = corpus.mask_id();
    part.batch.inputs.insert(part.batch.inputs.end(), ids.begin(), ids.end());
    answer.at.row = part.batch.n_rows++;
    part.answers.push_back(std::move(answer));
  }
  part.batch.targets.assign(part.batch.inputs.size(), kIgnored);
  return part;
}

void add_masked(ProbeSet& set, const Corpus& corpus) {
  // Attention is looked at where nothing is hidden, the loss where as much is hidden as in training.
  HeldOut held_out = read_rows(corpus, set.options);
  ProbePart hidden =
      hidden_choices(held_out, corpus, std::min(set.options.most_choices, std::max<std::int64_t>(1, set.options.rows / 2)));
  ProbePart plain;
  plain.roles = link_cases(held_out, set.kind);
  plain.batch = std::move(held_out.batch);
  set.rows = std::move(held_out.indices);
  ProbePart loss;
  loss.loss = PartLoss::kHeldOut;
  loss.batch = masked_batch(corpus, {Stream::kHeldOut, set.options.seed, 0, set.options.rows},
                            {.length = set.options.length, .unknown_share = 0});
  set.parts.push_back(std::move(loss));
  set.parts.push_back(std::move(plain));
  if (hidden.batch.n_rows > 0) set.parts.push_back(std::move(hidden));
}

void check(const ProbeOptions& options, std::int64_t shortest) {
  if (options.rows < 1 || options.length < shortest)
    throw ShapeError("roles cannot be measured on " + std::to_string(options.rows) + " rows of " + std::to_string(options.length) +
                     " tokens: at least 1 row of " + std::to_string(shortest) + " tokens is needed");
}

}  // namespace
}  // namespace roles_detail

RoleProbes::RoleProbes(const Corpus& corpus, ModelKind kind, const ProbeOptions& options) {
  if (kind == ModelKind::kEncoderDecoder)
    throw Error("roles of a model that translates are measured on pairs of sentences, which the corpus " + corpus.name() +
                " has not");
  roles_detail::check(options, 2);
  if (kind == ModelKind::kMasked && corpus.mask_id() < 0)
    throw Error("the corpus " + corpus.name() + " has no <mask>, with which a model that fills gaps is asked");
  auto set = std::make_shared<roles_detail::ProbeSet>();
  set->kind = kind;
  set->options = options;
  if (kind == ModelKind::kCausal) {
    roles_detail::add_causal(*set, corpus);
  } else {
    roles_detail::add_masked(*set, corpus);
  }
  roles_detail::add_random_part(*set, corpus);
  set_ = std::move(set);
}

RoleProbes::RoleProbes(const ParallelCorpus& corpus, const ProbeOptions& options) {
  roles_detail::check(options, 1);
  auto set = std::make_shared<roles_detail::ProbeSet>();
  set->kind = ModelKind::kEncoderDecoder;
  set->options = options;
  roles_detail::add_translation(*set, corpus);
  set_ = std::move(set);
}

ModelKind RoleProbes::kind() const { return set_->kind; }
const ProbeOptions& RoleProbes::options() const { return set_->options; }

std::int64_t RoleProbes::n_tokens() const {
  std::int64_t n = 0;
  for (const roles_detail::ProbePart& part : set_->parts)
    n += part.batch.n_tokens() + part.batch.n_rows * part.batch.source_seq;
  return n;
}

}  // namespace headroom
